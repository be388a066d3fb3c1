// SPDX-License-Identifier: MIT
// What a State holds open. Private to this room.
#pragma once

#include <utility>

#include "kernel/commit.h"
#include "kernel/kernel_maps.h"
#include "kernel/pins.h"
#include "kernel/programs.h"
#include "kernel/state.h"

namespace lk {

struct State::Impl {
    Place place;
    Pins pins;
    KernelMaps maps;
    Programs programs;
    Committer committer;

    const Program &program(const std::string &name) const { return programs.at(name); }
    static Result<std::unique_ptr<Impl>> open(const Place &place);
    // Opens everything again if another process has put other programs or maps in place (a newer build,
    // mended pins): called before anything is changed. An error where the state was removed.
    Result<void> refresh();
    // Tells the guard of links, if it is there, which programs are ours by now: to be called once more were
    // loaded, or nobody keeps others from taking their links off.
    Result<void> tell_links_guard() const;
};

// The socket hooks, in the order in which they are attached.
struct CgroupHookKind {
    const char *name;    // "connect4": of the pin, and what people read
    const char *program; // "lk_connect4"
    bpf_attach_type type;
};
const std::vector<CgroupHookKind> &cgroup_hook_kinds();

// A pinned link of PROGRAM on the cgroup, in place of what is pinned at PATH; WHAT: for errors.
Result<void> attach_cgroup_link(const std::string &path, const std::string &what, const Program &program,
                                int cgroup_fd, std::uint64_t cgroup_id, bpf_attach_type type);

} // namespace lk
