// SPDX-License-Identifier: MIT
#include "kernel/keeper.h"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/sys.h"
#include "leakbpf/abi.h"

namespace lk {

namespace {

void write_keeper(int map, __u32 pid, __u32 pid_namespace) {
    const __u32 zero = 0;
    lk_guard guard{};
    if (bpf_map_lookup_elem(map, &zero, &guard) != 0) return;
    guard.keeper_pid = pid;
    guard.keeper_pidns = pid_namespace;
    bpf_map_update_elem(map, &zero, &guard, BPF_ANY);
}

} // namespace

Keeper::Keeper(const Pins &pins) : Keeper(open_pin(pins.maps() + "/" + guard_map_name).fd) {}

Keeper::Keeper(Fd map) {
    struct stat own {};
    if (!map || ::stat("/proc/self/ns/pid", &own) != 0) return;
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0 || info.type != BPF_MAP_TYPE_ARRAY ||
        info.value_size != sizeof(lk_guard))
        return; // of another version, or something else altogether
    map_ = std::move(map);
    write_keeper(map_.get(), static_cast<__u32>(::getpid()), static_cast<__u32>(own.st_ino));
}

Keeper::~Keeper() {
    if (map_) write_keeper(map_.get(), 0, 0);
}

} // namespace lk
