// SPDX-License-Identifier: MIT
// Where a cgroup is in the whole hierarchy. Private to this room.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace lk {

// The root of the cgroup2 hierarchy has this inode number and id; no cgroup below it can.
constexpr std::uint64_t root_cgroup = 1;

// Distance of the cgroup directory PATH from the root of the whole hierarchy, as the kernel counts levels;
// also where only a part of the hierarchy is mounted. None if this process may not see so far.
std::optional<std::uint32_t> cgroup_level(const std::filesystem::path &path);

} // namespace lk
