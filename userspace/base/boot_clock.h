// SPDX-License-Identifier: MIT
// The clock that deadlines are kept in: it counts on while the machine sleeps, nobody sets it, and all
// processes read the same one, whenever they were started.
#pragma once

#include <cstdint>

namespace lk {

constexpr std::uint64_t ns_per_second = 1'000'000'000;

std::uint64_t boot_clock_ns(); // CLOCK_BOOTTIME

// That moment on the clock that people read, in seconds of Unix time.
std::int64_t unix_time_of(std::uint64_t boot_ns);

// Whole seconds from NOW_NS to DEADLINE_NS, rounded up; 0: it is over.
constexpr std::uint64_t seconds_left(std::uint64_t deadline_ns, std::uint64_t now_ns) {
    return deadline_ns <= now_ns ? 0 : (deadline_ns - now_ns + ns_per_second - 1) / ns_per_second;
}

} // namespace lk
