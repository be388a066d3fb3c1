// SPDX-License-Identifier: MIT
// What a policy names outside of the network: resolved against the machine, shared by attach and check.
#pragma once

#include <string>

#include <vector>

#include "base/result.h"
#include "control/control.h"
#include "policy/policy.h"

namespace lk {

// Fills in id and level of the policy's cgroups. ROOT: the cgroup2 root that they are below.
Result<void> resolve_cgroups(Policy &policy, const std::string &root);
// Of the policy that REQUEST asks for. In a whole document, which may be older than the boot, a cgroup that
// is not there keeps id 0 and lets nothing pass until the follower finds it: a sentence in the answer says
// so.
Result<std::vector<std::string>> resolve_cgroups(AttachRequest &request, const std::string &root);
// Anew, of cgroups that came, or went and came again, since. True if one changed.
bool refresh_cgroups(Document &document, const std::string &root);

// The policies that REQUEST asks for.
std::vector<const Policy *> policies(const AttachRequest &request);

} // namespace lk
