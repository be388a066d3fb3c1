// SPDX-License-Identifier: MIT
// Looks at the machine for doctor and for attach. Changes nothing.
#pragma once

#include <string>
#include <vector>

#include "control/control.h"
#include "control/guarantees.h"

namespace lk {

struct Diagnosis {
    Findings findings;
    Report report;
};

// Everything, with every object really loaded; also where nothing could be attached. Needs root.
Result<Diagnosis> diagnose(const std::string &bpffs, const std::string &cgroup_root);

// Of what would be given to UPLINKS. The state that is there, if any, does not count.
Findings foresee(const Site &site, const Topology &topology, const std::vector<int> &uplinks);

// Of what is given, from the hooks that are there and what attach_guards() answered; nothing is loaded.
Result<Findings> given(const State &state, const Topology &topology, const Built &built,
                       const std::vector<GuardHook> &guards);

} // namespace lk
