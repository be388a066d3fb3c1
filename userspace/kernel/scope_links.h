// SPDX-License-Identifier: MIT
// The links of containers: lk_scope_frames on the ingress of their ends on the host, lk_scope_inside on the
// egress of those in the containers, and the rows that say whose frames go by them. The host's ends are those
// in the calling thread's network namespace. Beside ScopeState and under its lock.
//
//   links/frames-COOKIE-IFINDEX        a tcx link
//   links/framefilter-COOKIE-IFINDEX   the program: this device has it by clsact
//   links/frameqdisc-COOKIE-IFINDEX/   a directory: the clsact qdisc there was made by us
//   links/inside-COOKIE-IFINDEX        the tcx link at the other end of that device
//   links/own-COOKIE-IFINDEX           a tcx link at a container's end, of which there is no other
//
// The row is there before the programs, and is the last to go: without one they drop everything.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/frame_hook.h"
#include "kernel/map.h"
#include "kernel/pins.h"
#include "leakbpf/scope.h"

namespace lk {

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
    // False: another filter comes first all the same (before Linux 6.6).
    Result<bool> judge(int ifindex, const LinkSets &sets, bool shared);
    // The second layer: the same row at the other end of the host's device, which is IFINDEX in NETNS (a
    // descriptor). Nothing where the kernel has no tcx.
    Result<void> judge_inside(int netns, int ifindex, int outer_ifindex);
    // What leaves by a device in NETNS that has no end here. False: the kernel has no tcx, or the device is
    // gone.
    Result<bool> judge_own(int netns, int ifindex, const LinkSets &sets, bool shared);
    // Lets those be of which no cgroup has a policy any more, and clears away what devices left that are
    // gone. Where policies are left beside one whose cgroup is free now, that one's are let through, too.
    using HasPolicy = std::function<bool(std::uint64_t cgroup_id)>;
    Result<void> tidy(const HasPolicy &has_policy, const HasPolicy &is_free);
    Result<std::vector<int>> judged() const; // devices here that have a row, in order
    // Devices here whose frames nothing of ours judges before anything else, though it should.
    Result<std::vector<int>> dead() const;
    // Devices here whose other ends have lost the second layer.
    Result<std::vector<int>> dead_inside() const;

  private:
    ScopeLinks(Pins pins, std::uint64_t cookie, Map<lk_scope_link_key, lk_scope_link> rows)
        : pins_(std::move(pins)), cookie_(cookie), rows_(std::move(rows)) {}
    std::string pin(const char *what, const lk_scope_link_key &key) const;
    lk_scope_link_key outer_key(int ifindex) const { return {cookie_, static_cast<__u32>(ifindex), 0}; }
    Result<std::vector<lk_scope_link_key>> keys() const;
    Result<void> want_programs();
    Result<void> want_program(FrameHook &hook, const std::string &directory);
    void renew() const;
    Result<void> attach(int ifindex);
    bool is_first(int ifindex) const;
    bool is_gone(const lk_scope_link_key &key) const;
    Result<void> tidy_one(const lk_scope_link_key &key, const HasPolicy &has_policy,
                          const HasPolicy &is_free);
    Result<void> drop(const lk_scope_link_key &key);

    Pins pins_;
    std::uint64_t cookie_;
    Map<lk_scope_link_key, lk_scope_link> rows_;
    FrameHook outer_{frames_program, tcx::ingress};
    FrameHook inside_{inside_program, tcx::egress};
};

} // namespace lk
