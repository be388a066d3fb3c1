// SPDX-License-Identifier: MIT
#include "control/window_times.h"

#include <algorithm>

namespace lk {

namespace {

constexpr std::size_t kept = 256;

} // namespace

void WindowTimes::add(std::chrono::microseconds open) {
    const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(open.count(), 0));
    if (last_us_.size() < kept)
        last_us_.push_back(us);
    else
        last_us_[count_ % kept] = us;
    ++count_;
}

Windows WindowTimes::windows() const {
    if (count_ == 0) return {};
    std::vector<std::uint64_t> sorted = last_us_;
    std::ranges::sort(sorted);
    const auto at = [&sorted](std::size_t percent) { return sorted[(sorted.size() - 1) * percent / 100]; };
    return {count_, at(50), at(99)};
}

} // namespace lk
