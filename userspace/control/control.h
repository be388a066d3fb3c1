// SPDX-License-Identifier: MIT
// Reconciles what is wanted with what the kernel has: attach is one turn of it, follow is the loop.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/map_image.h"
#include "kernel/state.h"
#include "net/topology.h"
#include "policy/policy.h"

namespace lk {

// Where a command works: --netns (already entered), --cgroup-root and --bpffs, resolved.
struct Site {
    Place place;
};
// Checks root, bpffs, cgroup2 root and the namespace's cookie. WITH_CGROUP false: the cgroup root may be
// missing (status, detach, watch).
Result<Site> find_site(const std::string &bpffs, const std::string &cgroup_root, bool with_cgroup);

// For detach --all: what is not there is no reason to leave anything in place.
Result<Site> find_broken_site(const std::string &bpffs);

struct AttachRequest {
    std::vector<std::string> interfaces; // empty: every non-tunnel device that holds a default route
    std::vector<std::string> also;       // guarded today by a state that cannot be read, so in any case
    bool all_uplinks = false; // instead of names: every uplink, and it is no error that there is none yet
    bool only = false;
    bool follow = true;
    bool gate = false;                 // the second gate goes on without a follower too
    bool whatever_can = false;         // for lockdown: what has no socket hooks is guarded without them
    std::vector<std::string> required; // names of guarantees.h: with less, nothing is attached
    std::optional<std::chrono::seconds> trial; // taken back after this time unless keep() comes before
    Policy policy;
    std::optional<Document> whole; // all that shall be in force, in place of INTERFACES, ONLY and POLICY
};

// A policy that is taken back at a deadline.
struct OnTrial {
    std::uint64_t seconds_left = 0; // 0: it is overdue
    std::int64_t deadline_unix_s = 0;
    bool takes_all_off = false; // nothing was in force before
};

// leakbpf portal, while it is open.
struct OpenPortal {
    std::uint64_t seconds_left = 0;
    std::int64_t deadline_unix_s = 0;
    std::vector<std::pair<std::string, std::string>> routers; // device, address
};

struct AttachAnswer {
    std::vector<std::string> attached;  // uplinks, by name
    std::vector<std::string> unguarded; // other uplinks, by name
    std::vector<std::string> notices;
    std::vector<std::string> given;                             // guarantees that hold, by name
    std::vector<std::pair<std::string, std::string>> not_given; // name, why
    std::uint32_t epoch = 0;
    std::optional<pid_t> follower;
    std::optional<OnTrial> trial = {};
};

// What attach would do, touching nothing: the new document and what would be loaded. Used by --dry-run and
// check.
struct Plan {
    Document document;
    Built built;
};
// CURRENT: the document in force (empty: none). Errors: unknown, loopback or tunnel device, no uplink found,
// validate()'s.
Result<Plan> plan_attach(const AttachRequest &request, const Document &current, const Topology &topology);

Result<AttachAnswer> attach(const Site &site, const AttachRequest &request);

struct DetachRequest {
    std::vector<std::string> interfaces; // empty: needs nothing named, everything of this namespace goes
    bool all = false;
};
Result<void> detach(const Site &site, const DetachRequest &request);

// Ends the trial: the policy in force stays. Exit::no_trial where there is none or its time is over; then
// nothing was changed.
struct Kept {
    std::uint32_t epoch = 0;
};
Result<Kept> keep(const Site &site);

// What a follower tells its caller, and asks of it.
struct FollowTold {
    // After each turn that did something; without a hook are the devices BARE.
    std::function<void(const Topology &, const Built &, const std::set<int> &bare)> committed = {};
    std::function<void(const std::string &)> trouble = {};     // turns fail, or something in them
    std::function<void(const std::string &)> over = {};        // and work again: what it was
    std::function<void(const std::string &)> trial_ended = {}; // nobody kept it: what was done
    std::function<void(const std::string &)> overtaken = {}; // a program had come before ours: what was done
    std::function<void(const std::string &)> portal_ended =
        {};                            // by itself, or to some routers: what was done
    std::function<void()> alive = {};  // about every second
    std::function<void()> reload = {}; // SIGHUP: put something new into force; without it, as SIGUSR1
    // Puts something into force where there is a state that cannot be used; without it that is an error.
    std::function<Result<void>()> mend = {};
    bool take_over = false; // end another follower, instead of leaving it in place
};
// Runs until SIGTERM or SIGINT (then the policy holds on) or until the state is detached. SIGUSR1, which
// attach sends: reads the document again. Exit::not_attached only where there is nothing of a state at all.
Result<void> follow(const Site &site, const FollowTold &told);

// One turn: image from document and topology, commit, hooks on new uplinks, dead hooks cleaned. On a failed
// commit the hooks of new uplinks are attached all the same (they deny). LET_GO: uplinks that are not held
// only because they have a hook. Needs the Lock.
Result<Built> reconcile(State &state, const Document &wanted, const Topology &topology,
                        const std::vector<int> &let_go = {});

struct Status {
    bool attached = false;
    std::optional<pid_t> follower;
    std::uint32_t epoch = 0;
    Document document;
    Built built; // as of now
    Topology topology;
    std::vector<UplinkHook> uplinks;
    std::vector<int> serves; // with a living hook that sees who asks services
    std::vector<CgroupHook> cgroup_hooks;
    std::vector<GuardHook> guards;
    GateKind gate = GateKind::none;
    std::optional<bool> lsm_active; // bpf among the active security modules; none: cannot be told
    Counters counters{};
    State::Untold untold;
    std::optional<OnTrial> trial = {};
    std::optional<OpenPortal> portal = {};
    std::optional<Windows> windows = {};
    std::vector<std::string> weaknesses; // sentences: what is promised and does not hold: program ahead of
                                         // ours, hook missing or dead
    std::vector<std::string> remarks;    // sentences: uplink unguarded, no follower, daemon sends as root
};
Result<Status> read_status(const Site &site);

} // namespace lk
