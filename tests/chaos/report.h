// SPDX-License-Identifier: MIT
// From the ledger and the log of what was done to what came of it: leaks, losses, and how long an uplink was
// open or closed after it came.
#pragma once

#include <string>
#include <vector>

#include "chaos/flows.h"

namespace lk::chaos {

struct Step { // of the log
    Micros from = 0, to = 0;
    std::string what;
};

// A time in which allowed packets cannot pass, because their device is not there or not set up, or because
// the follower has not taken in yet how it came back: what it saw of the device in between, without
// addresses, may be in force for one turn. From RESTORED on the device is set up, by SETTLED all of that is
// over, and for each flow the time ends with the first packet after those that were lost until then.
struct Window {
    const char *kind = "";
    Micros from = 0, restored = 0, settled = 0;
    bool pinned = false, roaming = false; // whose device it is
    int uplink = 0;
    bool appeared = false; // a device that no program was on yet
};

struct Story {
    Micros guarded_from = 0, guarded_to = 0;
    std::vector<Step> steps;
    std::vector<Window> windows;
    std::vector<std::string> failures; // of commands, and promises that were seen broken
    bool window_fails = false;         // a packet before a new uplink is guarded counts as a leak
};

// Prints the table; true: all is as it must be.
bool report(const Ledger &ledger, const Story &story);

} // namespace lk::chaos
