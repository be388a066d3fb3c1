// SPDX-License-Identifier: MIT
// The arithmetic of bench_speed: all subjects take turns in each round, and what is compared is compared
// within a round, so that whatever slows the machine slows both.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

namespace lk::bench {

// Of one turn.
struct Slice {
    double cost_ns = 0;         // of one packet, connection, ...
    double per_second = 0;      // how many
    unsigned long sent = 0;     // datagrams, also those before the clock ran
    unsigned long failures = 0; // of those that should have worked, or ended in time
};

struct Estimate {
    double value = 0, error = 0; // error: of the median, one sigma
    bool measured() const { return !std::isnan(value); }
};
// No number is below or above it, so that what could not be measured reaches no goal.
inline const Estimate unmeasured{std::numeric_limits<double>::quiet_NaN(), 0};

using Series = std::vector<double>; // by round

// The median, and how far it may be off.
Estimate middle(Series values);
Estimate ratio(const Series &of, const Series &to);
Estimate difference(const Series &of, const Series &to);
Estimate minus(const Estimate &of, const Estimate &to); // of two that were measured apart
// How what OF adds to BASE stands to what TO adds to it. Zero where TO adds nothing that can be told from
// noise.
Estimate added_ratio(const Series &of, const Series &to, const Series &base);

// Calls TURN(subject, round) for each subject in each round, in another order each time, which is the same in
// each run. Round 0 warms up.
void take_turns(std::size_t subjects, unsigned rounds,
                const std::function<void(std::size_t subject, unsigned round)> &turn);

} // namespace lk::bench
