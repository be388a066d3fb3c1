// SPDX-License-Identifier: MIT
#include "control/cgroup_path.h"

#include <filesystem>

#include "net/cgroup_handle.h"

namespace lk {

namespace {

constexpr std::size_t cache_limit = 4096;

} // namespace

std::optional<std::string> CgroupPaths::of(std::uint64_t id) {
    if (const auto found = known_.find(id); found != known_.end()) return found->second;
    const std::string path = cgroup_path(root_, id);
    if (path.empty()) return std::nullopt;
    std::error_code error;
    const std::string base = std::filesystem::canonical(root_, error).string();
    if (error || !path.starts_with(base)) return std::nullopt;
    std::string relative = path.substr(base.size());
    if (relative.empty()) relative = "/";
    if (relative.front() != '/') return std::nullopt; // a neighbour whose name begins alike
    if (known_.size() >= cache_limit) known_.clear();
    return known_[id] = relative;
}

} // namespace lk
