// SPDX-License-Identifier: MIT
// One turn from what is asked to what the kernel does. The order keeps each moment old, new or closed:
// everything that can be wrong with the input comes before the first change, the policy before the hooks.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <thread>

#include "base/boot_clock.h"
#include "control/control.h"
#include "control/doctor.h"
#include "control/follower_process.h"
#include "control/front.h"
#include "control/held.h"
#include "control/leftovers.h"
#include "control/portal.h"
#include "control/reconcile.h"
#include "control/root_sockets.h"
#include "control/scopes.h"
#include "control/sessions.h"
#include "control/site.h"
#include "control/trial.h"
#include "net/monitor.h"

namespace lk {

namespace {

constexpr std::chrono::seconds follower_limit{3};

// What is in force now. A state that cannot be read has no document, but its uplinks stay guarded.
struct Before {
    bool exists = false;                   // a state that can be used
    Document document;                     // empty if none or unreadable
    std::optional<std::string> unreadable; // why
    std::vector<UplinkHook> hooks;         // of that state
    std::vector<std::string> hooked;       // where hooks are that DOCUMENT does not account for
};

Result<Before> read_before(const Site &site, const Topology &topology) {
    Before before;
    Result<std::optional<State>> found = State::find(site.place);
    if (!found) return found.error();
    before.exists = found->has_value();
    if (before.exists && (*found)->epoch() != 0) {
        Result<std::vector<UplinkHook>> hooks = (*found)->uplink_hooks(Chains::skip);
        if (!hooks) return hooks.error();
        before.hooks = *std::move(hooks);
        Result<Document> document = (*found)->document();
        if (!document)
            before.unreadable = document.error().message;
        else if (overdue(*document, boot_clock_ns())) // to be taken back: so it is what takes its place
            before.document = gone_back(*document, topology, before.hooks);
        else
            before.document = hold_guarded(*std::move(document), topology, before.hooks);
    }
    const bool own_too = !before.exists || before.unreadable;
    for (const int ifindex : leftover_hooks(site.place, own_too))
        if (const Device *device = topology.find(ifindex)) before.hooked.push_back(device->name);
    if (!before.hooked.empty() && !before.unreadable)
        before.unreadable = "it is of another version or was only half made";
    return before;
}

Result<Plan> plan_over(const Before &before, AttachRequest request, const Topology &topology) {
    if (request.trial && before.unreadable)
        return failure(fmt::format("--try: the policy in force cannot be read ({}), so it could not be gone "
                                   "back to: attach without --try, or detach first",
                                   *before.unreadable));
    request.also = before.hooked;
    Result<Plan> plan = plan_attach(request, before.document, topology);
    if (plan && before.unreadable && !before.hooked.empty())
        plan->built.notices.push_back(
            fmt::format("a policy that was in force could not be read ({}): the new one took its place on {}",
                        *before.unreadable, listed(before.hooked)));
    if (plan && before.document.portal && !portal_over(before.document, boot_clock_ns()))
        plan->built.notices.emplace_back(
            "the portal that was open is closed; leakbpf portal opens it again under the new policy");
    return plan;
}

std::string in_force(const State &state, const Topology &topology) {
    std::vector<std::string> guarded;
    if (const auto hooks = state.uplink_hooks(Chains::skip)) {
        for (const UplinkHook &hook : *hooks)
            if (hook.ours_alive) guarded.push_back(device_name(topology, hook.ifindex));
    }
    if (guarded.empty()) return "no uplink is guarded";
    return fmt::format(
        "policy {} is in force on {} and nowhere else; leakbpf status shows it, leakbpf detach "
        "takes it off",
        state.epoch(), listed(guarded));
}

// Success is said only of hooks that are seen to be there.
Result<void> check_alive(const State &state, const Built &built, const Topology &topology, bool sockets_too) {
    const Result<std::vector<UplinkHook>> hooks = state.uplink_hooks(Chains::skip);
    if (!hooks) return hooks.error();
    for (const int ifindex : serving(built.image))
        if (!state.serve_alive(ifindex))
            return failure(fmt::format("the hook for --serve on {} is not there after it was put on",
                                       device_name(topology, ifindex)));
    for (const int ifindex : built.uplinks)
        if (!alive_on(*hooks, ifindex))
            return failure(fmt::format("the hook on {} is not there after it was put on",
                                       device_name(topology, ifindex)));
    if (!sockets_too) return {};
    const Result<std::vector<CgroupHook>> sockets = state.cgroup_hooks();
    if (!sockets) return sockets.error();
    for (const CgroupHook &hook : *sockets)
        if (!hook.alive)
            return failure(fmt::format("the socket hook {} is not there after it was put on", hook.name));
    return {};
}

bool locks_sockets(const Document &document) {
    return std::ranges::any_of(document.scopes, [](const Scope &scope) { return scope.policy.lock_sockets; });
}

Result<void> put_gate(State &state, const Plan &plan, const Topology &topology) {
    const Result<std::vector<UplinkHook>> there = state.uplink_hooks(Chains::skip);
    if (!there) return there.error();
    return keep_gate(state, plan.document, topology, *there);
}

// Everything after the commit. BUILT becomes what was attached in the end, NO_GATE why there is no second
// gate; GATED: there was one before.
Result<void> put_hooks(State &state, const Plan &plan, const std::vector<NewServices> &fresh,
                       Monitor &monitor, const AttachRequest &request, bool gated, Built &built,
                       std::string &no_gate) {
    if (Result<void> done = state.attach_cgroup_hooks(); !done) {
        if (!request.whatever_can) return done.error();
        built.notices.push_back(
            "there are no socket hooks, so PACKET_QDISC_BYPASS and AF_XDP are not refused: " +
            done.error().message);
    }
    // Whoever asked a service before it was seen, and since the sessions were kept before the commit.
    const HookAnswer serves = attach_serves(state, plan.document, monitor.topology(), built.uplinks);
    keep_sessions(state, plan.document, monitor.topology(), fresh);
    const HookAnswer hooks = attach_hooks(state, plan.document, monitor.topology(), built.uplinks);
    for (const HookAnswer *answer : {&hooks, &serves})
        if (!answer->failed.empty()) {
            if (request.whatever_can) (void)put_gate(state, plan, monitor.topology()); // judges there as well
            return Error{answer->exit, fmt::format("{}", fmt::join(answer->failed, "; "))};
        }
    std::vector<std::string> notices = built.notices;
    notices.insert(notices.end(), hooks.notices.begin(), hooks.notices.end());
    for (std::string &notice : Front().restore(state, built.uplinks, monitor.topology(), {}).left)
        notices.push_back(std::move(notice));
    // A device or address that came while we were at it.
    const Result<bool> changed = monitor.handle();
    if (!changed) return changed.error();
    if (*changed) {
        Result<Built> again = reconcile(state, plan.document, monitor.topology());
        if (!again) return again.error();
        built = *std::move(again);
    } else if (Result<void> done = remove_stray_hooks(state, built, monitor.topology()); !done) {
        return done.error();
    }
    // Without a follower nobody would tell it of the devices that come. One that was there already judges on,
    // also where it belonged to a state that this one replaces, and must know those of now.
    if (request.follow || request.gate || gated)
        if (const auto kept = put_gate(state, plan, monitor.topology()); !kept) {
            no_gate = kept.error().message;
            notices.push_back("uplinks that appear later are open until they are guarded: " + no_gate);
        }
    built.notices = std::move(notices);
    return check_alive(state, built, monitor.topology(), !request.whatever_can);
}

// What the request asks for, before anything is changed: "nothing less" means nothing at all.
Result<void> check_required(const Site &site, const AttachRequest &request, const Topology &topology,
                            const Plan &plan) {
    auto wanted = parse_guarantees(request.required);
    if (!wanted) return wanted.error();
    const std::vector<const Policy *> asked = policies(request);
    if (std::ranges::any_of(asked, &Policy::lock_sockets)) wanted->push_back(Guarantee::lsm);
    if (wanted->empty()) return {};
    Findings findings = foresee(site, topology, plan, request.follow || request.gate, *wanted);
    if (std::ranges::any_of(asked, [](const Policy *policy) { return policy->hook == HookKind::clsact; }))
        findings.probes.tcx = Probe::no("--hook clsact");
    return require_to_attach(report_on(findings), *wanted);
}

// Puts the guards on, says what holds now, and is an error where less does than was asked for.
Result<void> put_guards(State &state, const AttachRequest &request, const Plan &plan,
                        const Topology &topology, const Built &built, const std::string &no_gate,
                        AttachAnswer &answer) {
    auto wanted = parse_guarantees(request.required);
    if (!wanted) return wanted.error();
    if (locks_sockets(plan.document)) wanted->push_back(Guarantee::lsm);
    auto guards = state.attach_guards(socket_makers(plan.document));
    if (!guards) return guards.error();
    auto findings = given(state, topology, plan.document, built, *guards, *wanted);
    if (!findings) return findings.error();
    if (!no_gate.empty()) findings->no_gate = no_gate;
    const Report report = report_on(*findings);
    for (const Judgement &judgement : report.guarantees) {
        const std::string name(to_string(judgement.guarantee));
        if (judgement.holds)
            answer.given.push_back(name);
        else
            answer.not_given.emplace_back(name, judgement.why_not);
    }
    return require_to_attach(report, *wanted);
}

Result<pid_t> ensure_follower(const Site &site) {
    const auto living = [&site]() -> std::optional<pid_t> {
        Result<std::optional<State>> state = State::find(site.place);
        if (!state || !*state) return std::nullopt;
        const std::optional<pid_t> pid = (*state)->follower();
        if (pid) (*state)->nudge_follower();
        return pid;
    };
    if (const auto pid = living()) return *pid;
    // A follower whose pin was removed tells itself again within a second.
    const auto deadline = std::chrono::steady_clock::now() + follower_limit;
    while (true) {
        Result<pid_t> started = start_follower(site.place);
        if (started) return started;
        if (const auto pid = living()) return *pid; // another attach was quicker
        if (std::chrono::steady_clock::now() >= deadline) return started;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

// Nobody else would. GATED: the second gate was there before the trial.
Result<void> take_trial_back(const Site &site, bool gated) {
    const Result<Lock> lock = Lock::take(site.place, lock_limit);
    if (!lock) return lock.error();
    Result<std::optional<State>> state = State::find(site.place);
    if (!state) return state.error();
    if (!*state) return {};
    const Result<Document> document = (*state)->document();
    if (!document) return document.error();
    const Result<Topology> topology = read_topology();
    if (!topology) return topology.error();
    if (!document->trial) return {};
    if (Result<void> back = go_back(site.place, *state, *document, *topology); !back) return back.error();
    if (!*state) return {};
    if (!gated) return (*state)->detach_gate(); // without a follower it would not learn of new tunnels
    const Result<Document> now = (*state)->document();
    if (!now) return now.error();
    const Result<std::vector<UplinkHook>> hooks = (*state)->uplink_hooks(Chains::skip);
    if (!hooks) return hooks.error();
    return keep_gate(**state, *now, *topology, *hooks);
}

// The tunnel's hooks first: from the commit on queries go there.
Result<std::uint32_t> commit_with_tunnels(State &state, const Plan &plan, const Monitor &monitor,
                                          const std::vector<NewServices> &fresh, Built &built) {
    for (std::string &notice : keep_sessions(state, plan.document, monitor.topology(), fresh))
        built.notices.push_back(std::move(notice));
    attach_tunnels(state, plan.document, monitor.topology(), built);
    return state.commit(built.image, plan.document);
}

struct Done {
    AttachAnswer answer;
    std::optional<FollowerStart> starting;
    bool gated = false; // the second gate was there already
};

// One that somebody else started meanwhile is as good.
Result<pid_t> await_follower(const Site &site, std::optional<FollowerStart> &starting) {
    if (starting)
        if (Result<pid_t> follower = starting->follows()) return follower;
    return ensure_follower(site);
}

// PLAN's document with the trial that it is under, if any.
Result<void> begin_trial(const Site &site, const State &state, const AttachRequest &request,
                         const Before &before, Plan &plan, std::optional<FollowerStart> &starting) {
    put_on_trial(plan.document, before.document, request.trial.has_value(), before.hooks);
    // From the commit on there is somebody who takes it back, whatever becomes of this process.
    if (plan.document.trial && request.follow && !state.follower()) {
        Result<FollowerStart> start = FollowerStart::begin(site.place);
        if (!start) return start.error();
        starting.emplace(*std::move(start));
    }
    if (request.trial) set_deadline(plan.document, *request.trial);
    return {};
}

// FRESH: there was nothing of ours before, so that a failure may take everything back.
Result<Done> attach_locked(const Site &site, const AttachRequest &request, Monitor &monitor, bool fresh) {
    const Result<Lock> lock = Lock::take(site.place, lock_limit);
    if (!lock) return lock.error();
    if (const Result<bool> current = monitor.handle(); !current) return current.error();
    const Result<Before> before = read_before(site, monitor.topology());
    if (!before) return before.error();
    fresh = fresh && !before->exists;
    const auto take_back = [&](Error error) {
        if (!fresh) return error;
        if (Result<void> removed = State::remove_all(site.place); !removed)
            error.message += "; and taking back what was made failed: " + removed.error().message;
        return error;
    };
    Result<Plan> plan = plan_over(*before, request, monitor.topology());
    if (!plan) return take_back(plan.error());
    if (Result<void> good = check_required(site, request, monitor.topology(), *plan); !good)
        return take_back(good.error());

    Error error;
    bool nothing_guarded = false;
    const bool gated = gate_left(site.place);
    Built built = plan->built;
    const auto new_ones = new_services(plan->document, before->document, monitor.topology(), before->hooks);
    std::optional<FollowerStart> starting;
    {
        Result<State> state = State::open_or_create(site.place);
        if (!state) {
            error = state.error();
            nothing_guarded = fresh;
        } else if (Result<void> ready = begin_trial(site, *state, request, *before, *plan, starting);
                   !ready) {
            error = ready.error();
            nothing_guarded = fresh;
        } else if (Result<std::uint32_t> epoch = commit_with_tunnels(*state, *plan, monitor, new_ones, built);
                   !epoch) {
            error = epoch.error();
            error.message += fresh ? "" : "; what was in force before still is";
            nothing_guarded = fresh;
        } else {
            std::string no_gate;
            Result<void> hooked = put_hooks(*state, *plan, new_ones, monitor, request, gated, built, no_gate);
            if (hooked) hooked = State::remove_others(site.place);
            AttachAnswer answer;
            if (hooked)
                hooked = put_guards(*state, request, *plan, monitor.topology(), built, no_gate, answer);
            if (hooked) {
                answer.attached = device_names(monitor.topology(), built.uplinks);
                answer.unguarded = device_names(monitor.topology(), built.unguarded);
                answer.notices = built.notices;
                answer.epoch = state->epoch();
                answer.trial = on_trial(plan->document);
                return Done{std::move(answer), std::move(starting), gated};
            }
            error = hooked.error();
            const std::string told = in_force(*state, monitor.topology());
            error.message += "; " + told;
            const auto hooks = state->uplink_hooks(Chains::skip);
            nothing_guarded = fresh && hooks &&
                              std::ranges::none_of(*hooks, [](const UplinkHook &h) { return h.ours_alive; });
            // What is in force is on trial all the same.
            if (starting && !nothing_guarded) starting->leave();
        }
    }
    return nothing_guarded ? take_back(error) : error;
}

} // namespace

Result<AttachAnswer> attach(const Site &site, const AttachRequest &request) {
    AttachRequest resolved = request;
    const Result<std::vector<std::string>> absent = resolve_cgroups(resolved, site.place.cgroup_root);
    if (!absent) return absent.error();
    Result<Monitor> monitor = Monitor::open(); // before anything is read, so that nothing is missed
    if (!monitor) return monitor.error();
    // What is wrong with the input is said before anything is made or waited for.
    const Result<Before> before = read_before(site, monitor->topology());
    if (!before) return before.error();
    if (const Result<Plan> plan = plan_over(*before, resolved, monitor->topology()); !plan)
        return plan.error();

    const bool fresh = !any_state(site.place); // asked before the lock makes a directory
    Result<Done> done = attach_locked(site, resolved, *monitor, fresh);
    if (!done) return done.error();
    AttachAnswer answer = std::move(done->answer);
    answer.notices.insert(answer.notices.end(), absent->begin(), absent->end());
    for (const Policy *policy : policies(resolved))
        for (std::string &notice : root_sockets(*policy))
            answer.notices.push_back(std::move(notice));
    if (request.follow) {
        const Result<pid_t> follower = await_follower(site, done->starting);
        if (!follower && request.trial) {
            const Result<void> back = take_trial_back(site, done->gated);
            return failure(fmt::format(
                "{}; without it nobody would take the policy back, so {}", follower.error().message,
                back ? "it was taken back at once"
                     : "it had to be taken back at once, and that failed: " + back.error().message));
        }
        if (!follower)
            return failure(fmt::format("{}; policy {} is in force on {}, but nothing keeps it current: new "
                                       "uplinks are not guarded",
                                       follower.error().message, answer.epoch, listed(answer.attached)));
        answer.follower = *follower;
    }
    return answer;
}

} // namespace lk
