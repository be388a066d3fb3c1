// SPDX-License-Identifier: MIT
// What bench_cgroup found, and whether that is what was wanted.
#pragma once

#include "bench/speed_report.h"

namespace lk::bench {

struct CgroupsFound {
    unsigned cgroups = 0;
    Series first_ms = {};  // the attach that loads the programs, if it was among these
    Series attach_ms = {}; // of each other
    double map_bytes = 0;
    Series packet_ns = {}, connect_ns = {}; // by turn: of a run of the program
};

// Goals compare the last of FOUND with the first.
SpeedReport cgroup_report(const std::vector<CgroupsFound> &found);

} // namespace lk::bench
