// SPDX-License-Identifier: MIT
#include "kernel/swept_mark.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <string>

#include "kernel/map.h"
#include "kernel/sys.h"

namespace lk {

namespace {

struct Mark {
    std::uint32_t epoch = 0; // 0: something may be left
    std::uint32_t next_id = 0;
};
constexpr MapShape shape{"lk_swept", BPF_MAP_TYPE_ARRAY, sizeof(__u32), sizeof(Mark), 1};
constexpr __u32 zero = 0;

std::string path(const Pins &pins) {
    return pins.maps() + "/" + shape.name;
}

} // namespace

bool is_swept(const Pins &pins, std::uint32_t epoch, std::uint32_t next_id) {
    const auto map = RawMap::open(path(pins), shape);
    Mark mark;
    return epoch != 0 && map && map->lookup(&zero, &mark) && mark.epoch == epoch && mark.next_id == next_id;
}

Result<void> note_swept(const Pins &pins, std::uint32_t epoch, std::uint32_t next_id) {
    const Mark mark{epoch, next_id};
    if (const auto map = RawMap::open(path(pins), shape)) return map->put(&zero, &mark);
    const auto map = RawMap::create(shape, 0);
    if (!map) return map.error();
    if (auto put = map->put(&zero, &mark); !put) return put;
    if (auto removed = remove_pin(path(pins)); !removed) return removed;
    if (bpf_obj_pin(map->fd(), path(pins).c_str()) != 0)
        return system_error("cannot pin " + path(pins), errno);
    return {};
}

Result<void> forget_swept(const Pins &pins) {
    const Mark none;
    if (const auto map = RawMap::open(path(pins), shape); map && map->put(&zero, &none)) return {};
    return remove_pin(path(pins));
}

} // namespace lk
