// SPDX-License-Identifier: MIT
#include "control/cgroup_path.h"

#include <fcntl.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "base/fd.h"

namespace lk {

namespace {

constexpr int file_id_kernfs = 0xfe; // FILEID_KERNFS of linux/exportfs.h, which is no UAPI header
constexpr std::size_t cache_limit = 4096;

} // namespace

std::optional<std::string> CgroupPaths::of(std::uint64_t id) {
    if (const auto found = known_.find(id); found != known_.end()) return found->second;
    const Fd root(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) return std::nullopt;
    alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + sizeof id> bytes{};
    auto *handle = reinterpret_cast<file_handle *>(bytes.data());
    handle->handle_bytes = sizeof id;
    handle->handle_type = file_id_kernfs;
    std::memcpy(bytes.data() + sizeof(file_handle), &id, sizeof id);
    const Fd cgroup(open_by_handle_at(root.get(), handle, O_PATH | O_CLOEXEC));
    if (!cgroup) return std::nullopt;
    std::error_code error;
    const std::string path =
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(cgroup.get()), error).string();
    const std::string base = std::filesystem::canonical(root_, error).string();
    if (error || !path.starts_with(base)) return std::nullopt;
    std::string relative = path.substr(base.size());
    if (relative.empty()) relative = "/";
    if (relative.front() != '/') return std::nullopt; // a neighbour whose name begins alike
    if (known_.size() >= cache_limit) known_.clear();
    return known_[id] = relative;
}

} // namespace lk
