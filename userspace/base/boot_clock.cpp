// SPDX-License-Identifier: MIT
#include "base/boot_clock.h"

#include <ctime>

namespace lk {

std::uint64_t boot_clock_ns() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * ns_per_second + static_cast<std::uint64_t>(now.tv_nsec);
}

std::int64_t unix_time_of(std::uint64_t boot_ns) {
    const std::uint64_t now = boot_clock_ns();
    const std::int64_t away_s = boot_ns >= now ? static_cast<std::int64_t>((boot_ns - now) / ns_per_second)
                                               : -static_cast<std::int64_t>((now - boot_ns) / ns_per_second);
    return std::time(nullptr) + away_s;
}

} // namespace lk
