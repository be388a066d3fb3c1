// SPDX-License-Identifier: MIT
#include "net/cgroup_handle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace lk {

OpenedCgroup open_cgroup(const std::string &root, std::uint64_t id) {
    const Fd mount{::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!mount) return {{}, errno};
    alignas(file_handle) std::array<char, sizeof(file_handle) + sizeof(id)> space{};
    auto *handle = reinterpret_cast<file_handle *>(space.data());
    handle->handle_bytes = sizeof(id);
    handle->handle_type = 0xfe; // FILEID_KERNFS of linux/exportfs.h, which is no UAPI header
    std::memcpy(space.data() + sizeof(file_handle), &id, sizeof(id));
    Fd directory{::open_by_handle_at(mount.get(), handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    const int error = directory ? 0 : errno;
    return {std::move(directory), error};
}

// Linux 5.10 may open a removed one still: it has no files any more.
bool cgroup_is_gone(const std::string &root, std::uint64_t id) {
    const auto opened = open_cgroup(root, id);
    if (opened.error != 0) return opened.error == ESTALE;
    return ::faccessat(opened.directory.get(), "cgroup.procs", F_OK, 0) != 0 &&
           (errno == ENOENT || errno == ENODEV);
}

std::string cgroup_path(const std::string &root, std::uint64_t id) {
    const auto opened = open_cgroup(root, id);
    if (opened.error != 0) return "";
    std::array<char, 4096> path{};
    const auto name = fmt::format("/proc/self/fd/{}", opened.directory.get());
    return ::readlink(name.c_str(), path.data(), path.size() - 1) < 0 ? "" : path.data();
}

} // namespace lk
