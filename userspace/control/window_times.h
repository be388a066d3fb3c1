// SPDX-License-Identifier: MIT
// How long uplinks that appeared had no hook: what the second gate does not judge, such as raw frames, could
// leave so long.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "kernel/state.h"

namespace lk {

class WindowTimes {
  public:
    void add(std::chrono::microseconds open);
    Windows windows() const;

  private:
    std::vector<std::uint64_t> last_us_; // a ring
    std::uint64_t count_ = 0;
};

} // namespace lk
