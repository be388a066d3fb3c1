// SPDX-License-Identifier: MIT
// The parts of detach that decide, and that status shares.
#pragma once

#include <string>
#include <vector>

#include "kernel/state.h"
#include "net/topology.h"
#include "policy/policy.h"

namespace lk {

// State of any version, whole or broken, of this network namespace.
bool any_state(const Place &place);

// CURRENT without these uplinks. A name may be a guarded device under a named one (the rest of that stays),
// or an uplink that was taken in later. Without scopes in the answer nothing is left to guard.
Result<Document> plan_detach(const std::vector<std::string> &names, const Document &current,
                             const Topology &topology);

} // namespace lk
