// SPDX-License-Identifier: MIT
// Our program belongs at the head of an uplink's chain: one before it can let packets past it. Somebody else
// may want the same place, and that is no fight to be fought for ever.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "kernel/state.h"
#include "net/topology.h"

namespace lk {

class Front {
  public:
    using Clock = std::chrono::steady_clock;

    // True: on one of UPLINKS something is to be done. One question to the kernel for each.
    bool disturbed(const State &state, const std::vector<int> &uplinks, Clock::time_point now);

    struct Answer {
        std::vector<std::string> restored; // sentences: it is first again
        std::vector<std::string> left;     // sentences: it is behind still
    };
    // Puts it back where it is behind, each time later and for one quarrel at most so often. Needs the Lock.
    Answer restore(State &state, const std::vector<int> &uplinks, const Topology &topology,
                   Clock::time_point now);

    void forget() { quarrels_.clear(); } // somebody attached anew: from the beginning

  private:
    struct Quarrel {
        unsigned times = 0; // put back
        Clock::time_point last{}, due{};
    };
    bool rests(int ifindex, Clock::time_point now) const;

    std::map<int, Quarrel> quarrels_; // by ifindex
};

} // namespace lk
