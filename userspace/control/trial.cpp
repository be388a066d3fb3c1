// SPDX-License-Identifier: MIT
#include "control/trial.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/boot_clock.h"
#include "control/held.h"
#include "control/reconcile.h"

namespace lk {

namespace {

Error no_trial(const State &state) {
    return {
        Exit::no_trial,
        fmt::format("no policy is on trial, so there is nothing to keep: policy {} stays until detach. One "
                    "that was not kept in time has gone back; leakbpf status shows what is in force",
                    state.epoch())};
}

Error too_late(const State &state) {
    return {Exit::no_trial,
            fmt::format("the time of policy {} is over, so it is not kept: {}", state.epoch(),
                        state.follower() ? "it is being taken back"
                                         : "it stays in force until leakbpf follow takes it back, or attach "
                                           "puts another in its place")};
}

// Uplinks that were open when TRIAL began, also those that came since: going back does not hold them.
std::vector<int> guarded_since(const Trial &trial, const std::vector<UplinkHook> &hooks) {
    std::vector<int> since;
    for (const UplinkHook &hook : hooks)
        if (!std::ranges::binary_search(trial.guarded_before, hook.ifindex)) since.push_back(hook.ifindex);
    return since;
}

} // namespace

bool overdue(const Document &document, std::uint64_t now_ns) {
    return document.trial && document.trial->deadline_ns <= now_ns;
}

Document gone_back(const Document &document, const Topology &topology, std::vector<UplinkHook> &hooks) {
    drop_hooks(hooks, guarded_since(*document.trial, hooks));
    Document before;
    before.scopes = document.trial->before;
    return hold_guarded(std::move(before), topology, hooks);
}

void put_on_trial(Document &planned, const Document &current, bool asked,
                  const std::vector<UplinkHook> &hooks) {
    if (!current.trial && !asked) return;
    planned.trial = current.trial;
    if (planned.trial) return;
    Trial &trial = planned.trial.emplace(Trial{0, current.scopes, {}});
    for (const UplinkHook &hook : hooks)
        if (hook.ours_alive) trial.guarded_before.push_back(hook.ifindex);
    std::ranges::sort(trial.guarded_before);
}

void set_deadline(Document &document, std::chrono::seconds time) {
    if (document.trial)
        document.trial->deadline_ns =
            boot_clock_ns() + static_cast<std::uint64_t>(time.count()) * ns_per_second;
}

std::optional<OnTrial> on_trial(const Document &document) {
    if (!document.trial) return std::nullopt;
    const std::uint64_t deadline = document.trial->deadline_ns;
    return OnTrial{seconds_left(deadline, boot_clock_ns()), unix_time_of(deadline),
                   document.trial->before.empty()};
}

Result<void> go_back(const Place &place, std::optional<State> &state, const Document &document,
                     const Topology &topology) {
    if (document.trial->before.empty()) {
        state.reset();
        return State::remove_all(place);
    }
    Document before;
    before.scopes = document.trial->before;
    const Result<std::vector<UplinkHook>> hooks = state->uplink_hooks(Chains::skip);
    if (!hooks) return hooks.error();
    const Result<Built> done = reconcile(*state, before, topology, guarded_since(*document.trial, *hooks));
    if (!done) return done.error();
    return {};
}

Result<Kept> keep(const Site &site) {
    Result<Held> held = hold(site, ", so nothing is on trial");
    if (!held) return held.error();
    auto &[lock, state, document, topology] = *held;
    if (!document.trial) return no_trial(state);
    if (overdue(document, boot_clock_ns())) return too_late(state);
    document.trial.reset();
    if (const Result<Built> done = reconcile(state, document, topology); !done) return done.error();
    state.nudge_follower();
    return Kept{state.epoch()};
}

} // namespace lk
