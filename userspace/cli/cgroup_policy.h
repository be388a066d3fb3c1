// SPDX-License-Identifier: MIT
// Policies of cgroups from the options that make a policy, shared by attach, run and oci-hook.
#pragma once

#include "base/result.h"
#include "cli/policy_options.h"

namespace lk {

// The settings of a cgroup's policy alone, as options. OPTIONS must live until the command line was parsed.
void add_cgroup_options(CLI::App &app, PolicyOptions &options);
// Those of them that no uplink's policy has, for a command that has these too, and their refusal for an
// uplink.
void add_cgroup_only_options(CLI::App &app, PolicyOptions &options);
Result<void> check_uplink_options(const PolicyOptions &options);
// An error names the first option that was given and means nothing for a cgroup, or the first value that is
// wrong.
Result<Policy> to_cgroup_policy(const PolicyOptions &options);

} // namespace lk
