// SPDX-License-Identifier: MIT
// Policies of cgroups: what is wanted against what there is, apart from those of uplinks.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/scope_state.h"
#include "net/cgroup_names.h"
#include "policy/policy.h"

namespace lk {

// Checks root, bpffs and the cgroup root; GIVEN_ROOT: empty for the host's.
Result<ScopePlace> find_scope_place(const std::string &bpffs, const std::string &given_root);

struct CgroupAnswer {
    std::vector<std::string> attached; // paths below the root
    std::vector<std::string> notices;
    std::vector<std::string> judged; // those of them whose processes' links are judged, with nothing beside
};

// Whose numbers --vpn-user has: those that the cgroup's processes see, or our own.
enum class Users { of_the_cgroup, ours };

// Puts POLICY into force for each of NAMES (see find_cgroup). An error says for which of them it holds
// already; the others have what they had before.
Result<CgroupAnswer> attach_cgroups(const ScopePlace &place, const std::vector<std::string> &names,
                                    const Policy &policy, Users users = Users::of_the_cgroup);

// The same for the cgroup of a container's first process, which must not be the caller's own: then the
// runtime has not moved it yet.
Result<CgroupAnswer> attach_container(const ScopePlace &place, int pid, const Policy &policy);

// Also by the path that a cgroup had which is gone. The last one takes the programs with it. Returns paths.
Result<std::vector<std::string>> detach_cgroups(const ScopePlace &place,
                                                const std::vector<std::string> &names);
// Also where a socket of theirs may be left, which is then free.
Result<std::vector<std::string>> detach_gone_cgroups(const ScopePlace &place);
// Of every cgroup root and every version, however broken. Tries all; the first error.
Result<void> detach_all_cgroups(const std::string &bpffs);

// Something is there, of any cgroup root and version.
bool any_cgroup_policy(const std::string &bpffs);

struct CgroupStatus {
    std::vector<ScopeEntry> entries;
    std::vector<std::string> weaknesses; // sentences
};
// None: no cgroup has a policy.
Result<std::optional<CgroupStatus>> read_cgroups(const ScopePlace &place);

struct ProcessStatus {
    int pid = 0;
    std::string cgroup;              // its path below the root
    std::vector<ScopeEntry> entries; // the policies over it, the outermost first
};
Result<ProcessStatus> read_process(const ScopePlace &place, int pid);

} // namespace lk
