// SPDX-License-Identifier: MIT
// What is measured: every reason that a packet can have, and an allowed packet at every size. Values only.
#pragma once

#include <string>
#include <vector>

#include "bench/subject.h"

namespace lk::bench {

struct Setting { // one Subject
    std::string name;
    unsigned gateways = 1, policies = 1; // gateways: in each policy
    World world;
    std::string object; // a file to load instead of the program of this build
};

struct Row {
    std::string name;
    std::size_t setting = 0; // index of a Setting
    Front front = Front::none;
    Bytes frame;
    lk_reason reason = LK_NO_POLICY; // what it must come out as
    lk_bench_knobs knobs{0, 1, 0};   // for the front
    bool hot = false;                // an allowed packet to one destination: what the limits are for
};

struct Plan {
    std::vector<Setting> settings;
    std::vector<Row> rows;
};

// LARGEST: leaves out the settings with more gateways in all. OBJECTS: each is measured, in the same rounds;
// none: the program of this build.
Plan make_plan(unsigned largest, const std::vector<std::string> &objects);

} // namespace lk::bench
