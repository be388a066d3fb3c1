// SPDX-License-Identifier: MIT
#include "base/boot_clock.h"

#include <ctime>

namespace lk {

std::uint64_t boot_clock_ns() {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * ns_per_second + static_cast<std::uint64_t>(now.tv_nsec);
}

} // namespace lk
