// SPDX-License-Identifier: MIT
#include "harness/kernel.h"

#include <sys/utsname.h>

#include <cstdio>
#include <utility>

namespace lk::harness {

bool kernel_is_at_least(int major, int minor) {
    utsname running{};
    std::pair<int, int> version{};
    if (uname(&running) != 0 || std::sscanf(running.release, "%d.%d", &version.first, &version.second) != 2)
        return false;
    return version >= std::pair{major, minor};
}

} // namespace lk::harness
