// SPDX-License-Identifier: MIT
// The part of detach that decides. Pure.
#pragma once

#include <string>
#include <vector>

#include "net/topology.h"
#include "policy/policy.h"

namespace lk {

// CURRENT without these uplinks. A name may be a guarded device under a named one (the rest of that stays),
// or an uplink that was taken in later. Without scopes in the answer nothing is left to guard.
Result<Document> plan_detach(const std::vector<std::string> &names, const Document &current,
                             const Topology &topology);

} // namespace lk
