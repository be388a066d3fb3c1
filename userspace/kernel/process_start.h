// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace lk {

// When the process began, in clock ticks since boot: with the pid, its name for good. None: there is no such
// process.
std::optional<std::uint64_t> process_start_ticks(pid_t pid);

// The 22nd field of /proc/PID/stat; the second is a name that may hold spaces and parentheses.
std::optional<std::uint64_t> start_ticks_in(std::string_view stat);

} // namespace lk
