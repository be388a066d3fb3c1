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

// Of what PLAN would give. Of the state that is there, if any, counts what stays. Nothing is tried that is
// loaded already, or that none of WANTED rests on, so the report is good for these alone.
Findings foresee(const Site &site, const Topology &topology, const Plan &plan, bool follow,
                 const std::vector<Guarantee> &wanted);

// Of what is given, from the hooks that are there and what attach_guards() answered. Nothing is loaded but
// the tunnels' programs, where there is no tunnel yet, and WANTED has the answers that come by one or they
// would be promised.
Result<Findings> given(State &state, const Topology &topology, const Document &document, const Built &built,
                       const std::vector<GuardHook> &guards, const std::vector<Guarantee> &wanted);

} // namespace lk
