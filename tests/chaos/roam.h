// SPDX-License-Identifier: MIT
// A machine that roams for a long time, in a short one: what the follower holds must not grow with it.
#pragma once

#include <cstdint>

namespace lk::chaos {

struct RoamOptions {
    std::uint64_t seed = 0;
    unsigned events = 0;
    unsigned devices = 1'000; // guarded uplinks
    unsigned idle_seconds = 10;
};

// Prints what the follower holds before and after; the exit status of the program.
int roam(const RoamOptions &options);

} // namespace lk::chaos
