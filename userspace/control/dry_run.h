// SPDX-License-Identifier: MIT
// Planning without doing, for check and attach --dry-run. Changes nothing, and needs no root.
#pragma once

#include <string>
#include <vector>

#include "control/control.h"

namespace lk {

struct DryRun {
    Plan plan;
    Topology topology;
};

// As if nothing were attached yet.
Result<DryRun> check(const std::string &cgroup_root, const AttachRequest &request);

// Over what is in force; where only root could read that, a notice says so.
Result<DryRun> dry_run(const std::string &bpffs, const std::string &cgroup_root,
                       const AttachRequest &request);

} // namespace lk
