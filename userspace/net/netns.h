// SPDX-License-Identifier: MIT
// Network namespaces, the host's cgroup2 root and the bpffs: where the filter goes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace lk {

// Moves the calling thread into the network namespace NAME (of /run/netns) or PATH. Nothing else changes, so
// the bpffs stays visible.
Result<void> enter_netns(const std::string &name_or_path);

// Runs BODY in a thread of its own that is in NETNS (a descriptor of a network namespace), and waits for it.
Result<void> in_netns(int netns, const std::function<void()> &body);

// The cookie of the calling thread's network namespace, which no other ever has: SO_NETNS_COOKIE where the
// kernel has it (Linux 5.14), else by a BPF program (5.7, and root; it is gone when the call returns).
Result<std::uint64_t> netns_cookie();
Result<std::uint64_t> netns_cookie_by_bpf();

// The host's real cgroup2 root from /proc/self/mountinfo (hybrid layouts included). Inside a cgroup namespace
// the visible root is not the host's: unsupported, with what to do (--cgroup-root). GIVEN not empty: checked
// to be a directory of cgroup2.
Result<std::string> cgroup_root(const std::string &given);

// Checks that PATH is a directory on a bpffs; says how to mount one otherwise.
Result<void> check_bpffs(const std::string &path);

// A cgroup that must be below ROOT; PATH is absolute in the file system, or relative to ROOT. The level is
// the distance from the root of the whole hierarchy, as the kernel counts it, also where ROOT is a part of
// it.
struct CgroupId {
    std::uint64_t id = 0;
    std::uint32_t level = 0;
};
Result<CgroupId> cgroup_id(const std::string &root, const std::string &path);

} // namespace lk
