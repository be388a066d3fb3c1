// SPDX-License-Identifier: MIT
// Cgroups by their ids, which the kernel gives once.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace lk {

struct OpenedCgroup {
    Fd directory;
    int error = 0;
};
// ROOT: any directory of the cgroup2 hierarchy.
OpenedCgroup open_cgroup(const std::string &root, std::uint64_t id);

// False too where it cannot be known.
bool cgroup_is_gone(const std::string &root, std::uint64_t id);
// Its directory, or empty.
std::string cgroup_path(const std::string &root, std::uint64_t id);

} // namespace lk
