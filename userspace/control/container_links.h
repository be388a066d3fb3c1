// SPDX-License-Identifier: MIT
// The links of the containers that a cgroup's processes are in: which devices of this network namespace their
// frames come in by, and under whose policies.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/scope_state.h"

namespace lk {

// Has frames judged that come in by the links of the network namespaces of the processes in the cgroup PATH
// (below PLACE's root) and below it; our own namespace aside. NOTICES: what leads out of them and is not
// judged. True: a link is judged, and nothing else leads out.
Result<bool> judge_links(const ScopePlace &place, const ScopeState &state, const std::string &path,
                         std::vector<std::string> &notices);

// Where policies are gone: lets the links be that none of the rest is for. FREED: cgroups that were let go
// and live on.
Result<void> tidy_links(const ScopePlace &place, const ScopeState &state,
                        const std::vector<std::uint64_t> &freed);

// Sentences: links whose frames should be judged and are not. PATHS: of the cgroups that have a policy.
std::vector<std::string> link_weaknesses(const ScopePlace &place, const std::vector<std::string> &paths);

} // namespace lk
