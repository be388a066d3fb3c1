// SPDX-License-Identifier: MIT
// The network namespace in which the VPN users of a cgroup's policy are meant.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace lk {

// The cookie of that of the processes in the cgroup DIRECTORY and below it; 0: there are none. An error where
// they are in several.
Result<std::uint64_t> netns_of_processes(const std::string &directory);

} // namespace lk
