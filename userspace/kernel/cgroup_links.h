// SPDX-License-Identifier: MIT
// Links of our programs on a cgroup. Private to this room.
#pragma once

#include <bpf/bpf.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "kernel/programs.h"
#include "kernel/sys.h"
#include "net/cgroup_handle.h"

namespace lk {

// The socket hooks, in the order in which they are attached.
struct CgroupHookKind {
    const char *name;    // "connect4": of the pin, and what people read
    const char *program; // "lk_connect4"
    bpf_attach_type type;
};
const std::vector<CgroupHookKind> &cgroup_hook_kinds();

// What is pinned at PATH, if that is a link on a cgroup.
struct PinnedLink {
    Fd link;
    LinkInfo info;
};
std::optional<PinnedLink> pinned_cgroup_link(const std::string &path);

// A pinned link of PROGRAM on the cgroup, in place of what is pinned at PATH; WHAT: for errors.
Result<void> attach_cgroup_link(const std::string &path, const std::string &what, const Program &program,
                                int cgroup_fd, std::uint64_t cgroup_id, bpf_attach_type type);

} // namespace lk
