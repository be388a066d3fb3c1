// SPDX-License-Identifier: MIT
// What a policy names outside of the network: resolved against the machine, shared by attach and check.
#pragma once

#include <string>

#include "base/result.h"
#include "policy/policy.h"

namespace lk {

// Fills in id and level of the policy's cgroups. ROOT: the cgroup2 root that they are below.
Result<void> resolve_cgroups(Policy &policy, const std::string &root);

} // namespace lk
