// SPDX-License-Identifier: MIT
#include "kernel/map.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "kernel/sys.h"

namespace lk {

namespace {

constexpr std::size_t batch_rows = 16384;
constexpr std::size_t read_rows = 1024; // room is made for them, whatever there is
constexpr int kernel_enotsupp = 524;    // ENOTSUPP, which is in no header of userspace

// What kernels answer that have no batch operation for a type of map (LPM tries on 5.10).
bool no_batches(int error) {
    return error == kernel_enotsupp || error == EOPNOTSUPP || error == EINVAL;
}

const std::uint8_t *row(const void *rows, std::size_t index, std::uint32_t size) {
    return static_cast<const std::uint8_t *>(rows) + index * size;
}

} // namespace

Error RawMap::error(const char *action, int number) const {
    if (number == E2BIG || number == ENOSPC) {
        bpf_map_info info{};
        __u32 size = sizeof(info);
        bpf_obj_get_info_by_fd(fd_.get(), &info, &size);
        return failure(
            fmt::format("the kernel's table {} is full ({} entries): give fewer gateways or prefixes",
                        shape_.name, info.max_entries));
    }
    return system_error(fmt::format("cannot {} the kernel's table {}", action, shape_.name), number);
}

Result<RawMap> RawMap::open(const std::string &path, const MapShape &shape) {
    auto opened = open_pin(path);
    if (opened.error != 0) return system_error(fmt::format("cannot open {}", path), opened.error);
    const auto object = identify(opened.fd.get());
    if (!object || object->kind != BpfKind::map) return failure(fmt::format("{} is no map", path));
    return checked(std::move(opened.fd), path, shape);
}

Result<RawMap> RawMap::open_by_id(std::uint32_t id, const MapShape &shape) {
    const auto name = fmt::format("the map {} with the id {}", shape.name, id);
    Fd fd{bpf_map_get_fd_by_id(id)};
    if (!fd) return system_error("cannot open " + name, errno);
    return checked(std::move(fd), name, shape);
}

Result<RawMap> RawMap::checked(Fd fd, const std::string &name, const MapShape &shape) {
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
        return system_error(fmt::format("cannot read what {} is", name), errno);
    if (info.type != static_cast<__u32>(shape.type) || info.key_size != shape.key_size ||
        info.value_size != shape.value_size || (shape.entries != 0 && info.max_entries != shape.entries))
        return failure(fmt::format("{} has type {}, key {}, value {}, {} entries; expected {}, {}, {}, {}",
                                   name, info.type, info.key_size, info.value_size, info.max_entries,
                                   static_cast<int>(shape.type), shape.key_size, shape.value_size,
                                   shape.entries == 0 ? info.max_entries : shape.entries));
    return RawMap{std::move(fd), shape};
}

Result<RawMap> RawMap::create(const MapShape &shape, std::uint32_t flags) {
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
    Fd fd{bpf_map_create(shape.type, shape.name, shape.key_size, shape.value_size, shape.entries, &options)};
    if (!fd) return system_error(fmt::format("cannot make the map {}", shape.name), errno);
    return RawMap{std::move(fd), shape};
}

std::uint32_t RawMap::id() const {
    const auto object = identify(fd_.get());
    return object ? object->id : 0;
}

bool RawMap::lookup(const void *key, void *value) const {
    return bpf_map_lookup_elem(fd_.get(), key, value) == 0;
}

Result<void> RawMap::put(const void *key, const void *value, std::uint64_t flags) const {
    if (bpf_map_update_elem(fd_.get(), key, value, flags) != 0) return error("write", errno);
    return {};
}

Result<void> RawMap::put_all(const void *keys, const void *values, std::size_t count) const {
    std::size_t done = 0;
    for (bool batches = count > 1; batches && done < count;) {
        auto rows = static_cast<__u32>(std::min(batch_rows, count - done));
        if (bpf_map_update_batch(fd_.get(), row(keys, done, shape_.key_size),
                                 row(values, done, shape_.value_size), &rows, nullptr) == 0)
            done += rows;
        else if (no_batches(errno))
            batches = false;
        else
            return error("write", errno);
    }
    for (; done < count; ++done) {
        auto written = put(row(keys, done, shape_.key_size), row(values, done, shape_.value_size));
        if (!written) return written;
    }
    return {};
}

Result<void> RawMap::erase_all(const void *keys, std::size_t count) const {
    std::size_t done = 0;
    for (bool batches = count > 1; batches && done < count;) {
        auto rows = static_cast<__u32>(std::min(batch_rows, count - done));
        if (bpf_map_delete_batch(fd_.get(), row(keys, done, shape_.key_size), &rows, nullptr) == 0)
            done += rows;
        else
            batches = false; // one is missing, or there are no batches
    }
    for (; done < count; ++done)
        if (bpf_map_delete_elem(fd_.get(), row(keys, done, shape_.key_size)) != 0 && errno != ENOENT)
            return error("clear rows of", errno);
    return {};
}

Result<void> RawMap::for_each(const std::function<void(const void *, const void *)> &visit) const {
    constexpr std::size_t room = read_rows;
    std::vector<std::uint8_t> keys(room * shape_.key_size), values(room * shape_.value_size);
    std::vector<std::uint8_t> cursor(std::max<std::size_t>(shape_.key_size, 8)), next(cursor.size());
    for (bool first = true;; first = false) {
        auto rows = static_cast<__u32>(room);
        const int result = bpf_map_lookup_batch(fd_.get(), first ? nullptr : cursor.data(), next.data(),
                                                keys.data(), values.data(), &rows, nullptr);
        const int number = result == 0 ? 0 : errno;
        if (first && no_batches(number)) return walk(visit);
        if (number != 0 && number != ENOENT) return error("read", number);
        for (std::size_t i = 0; i < rows; ++i)
            visit(row(keys.data(), i, shape_.key_size), row(values.data(), i, shape_.value_size));
        if (number == ENOENT) return {};
        cursor.swap(next);
    }
}

Result<void> RawMap::walk(const std::function<void(const void *, const void *)> &visit) const {
    std::vector<std::uint8_t> key(shape_.key_size), next(shape_.key_size), value(shape_.value_size);
    for (bool first = true; bpf_map_get_next_key(fd_.get(), first ? nullptr : key.data(), next.data()) == 0;
         first = false) {
        key = next;
        if (lookup(key.data(), value.data())) visit(key.data(), value.data());
    }
    if (errno != ENOENT) return error("read", errno);
    return {};
}

} // namespace lk
