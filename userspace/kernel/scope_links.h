// SPDX-License-Identifier: MIT
// The host's ends of containers' links: lk_scope_frames on their ingress, and the rows that say whose frames
// come in there. Of the calling thread's network namespace, beside ScopeState and under its lock.
//
//   links/frames-COOKIE-IFINDEX        a tcx link
//   links/framefilter-COOKIE-IFINDEX   the program: this device has it by clsact
//   links/frameqdisc-COOKIE-IFINDEX/   a directory: the clsact qdisc there was made by us
//
// The row is there before the program, and is the last to go: without one the program drops everything.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/map.h"
#include "kernel/pins.h"
#include "kernel/programs.h"
#include "leakbpf/scope.h"

namespace lk {

constexpr const char *frames_program = "lk_scope_frames";

// Whose frames come in by a link: for each process behind it the cgroups with a policy over it.
using LinkSets = std::vector<std::vector<std::uint64_t>>;

class ScopeLinks {
  public:
    // DIRECTORY: of a ScopeState, which was opened before.
    static Result<ScopeLinks> open(const std::string &directory);
    // Lets all of them in DIRECTORY be, in whatever network namespace, before their pins go.
    static void open_all(const std::string &directory);

    // Judges what comes in by the device, before any other program there; in place of what was said of it
    // before. SHARED: a process without a policy is behind it, too. No more than LK_LINK_SETS of SETS count.
    Result<void> judge(int ifindex, const LinkSets &sets, bool shared);
    // Lets those be of which no cgroup has a policy any more, and clears away what devices left that are
    // gone.
    Result<void> tidy(const std::function<bool(std::uint64_t cgroup_id)> &has_policy);
    // Devices whose frames nothing of ours judges, though they should.
    Result<std::vector<int>> dead() const;
    Result<std::vector<int>> judged() const; // all that have a row

  private:
    ScopeLinks(Pins pins, std::uint64_t cookie, Map<lk_scope_link_key, lk_scope_link> rows)
        : pins_(std::move(pins)), cookie_(cookie), rows_(std::move(rows)) {}
    std::string pin(const char *what, int ifindex) const;
    Result<void> want_program();
    void renew(int program_fd) const;
    Result<void> attach(int ifindex);
    Result<void> put_first(int ifindex, const Fd &old);
    bool is_alive(int ifindex) const;
    Result<void> drop(int ifindex);

    Pins pins_;
    std::uint64_t cookie_;
    Map<lk_scope_link_key, lk_scope_link> rows_;
    Program program_;
};

} // namespace lk
