// SPDX-License-Identifier: MIT
#include "bench/speed_turns.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace lk::bench {

namespace {

double median(Series values) {
    if (values.empty()) return 0;
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

} // namespace

Estimate middle(Series values) {
    if (values.empty()) return unmeasured;
    const double value = median(values), count = static_cast<double>(values.size());
    for (double &each : values)
        each = std::abs(each - value);
    // The median's error is 1.2533 sigma / sqrt(n), and sigma 1.4826 times the median deviation.
    return {value, 1.2533 * 1.4826 * median(std::move(values)) / std::sqrt(count)};
}

Estimate ratio(const Series &of, const Series &to) {
    Series values;
    for (std::size_t round = 0; round < std::min(of.size(), to.size()); ++round)
        if (to[round] > 0) values.push_back(of[round] / to[round]);
    return middle(std::move(values));
}

Estimate difference(const Series &of, const Series &to) {
    Series values;
    for (std::size_t round = 0; round < std::min(of.size(), to.size()); ++round)
        values.push_back(of[round] - to[round]);
    return middle(std::move(values));
}

Estimate minus(const Estimate &of, const Estimate &to) {
    return {of.value - to.value, std::hypot(of.error, to.error)};
}

Estimate added_ratio(const Series &of, const Series &to, const Series &base) {
    const Estimate above = difference(of, base), below = difference(to, base);
    if (!(below.value > below.error)) return unmeasured;
    const double value = above.value / below.value;
    return {value, std::hypot(above.error, value * below.error) / below.value};
}

void take_turns(std::size_t subjects, unsigned rounds,
                const std::function<void(std::size_t, unsigned)> &turn) {
    std::vector<std::size_t> order(subjects);
    std::iota(order.begin(), order.end(), 0);
    std::mt19937 random(1);
    for (unsigned round = 0; round <= rounds; ++round) {
        std::ranges::shuffle(order, random);
        for (const std::size_t subject : order)
            turn(subject, round);
    }
}

} // namespace lk::bench
