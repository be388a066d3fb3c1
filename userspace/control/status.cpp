// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>

#include "control/cgroups.h"
#include "control/control.h"
#include "control/leftovers.h"
#include "control/portal.h"
#include "control/reconcile.h"
#include "control/root_sockets.h"
#include "control/scopes.h"
#include "control/trial.h"
#include "control/weaknesses.h"
#include "kernel/lsm_list.h"

namespace lk {

Result<Status> read_status(const Site &site) {
    Status status;
    if (any_cgroup_policy(site.place.bpffs))
        status.remarks.emplace_back(
            "cgroups have policies of their own: leakbpf status --cgroups shows them");
    Result<std::optional<State>> found = State::find(site.place);
    if (!found) return found.error();
    if (!*found) {
        if (any_state(site.place)) status.remarks.emplace_back(unusable_state);
        return status;
    }
    const State &state = **found;
    status.attached = true;
    Result<Topology> topology = read_topology();
    if (!topology) return topology.error();
    status.topology = *std::move(topology);
    status.follower = state.follower();
    status.epoch = state.epoch();
    if (status.epoch != 0) {
        Result<Document> document = state.document();
        if (document)
            status.document = *std::move(document);
        else
            status.weaknesses.emplace_back("the policy in force cannot be read: " + document.error().message);
    }
    Result<std::vector<UplinkHook>> uplinks = state.uplink_hooks();
    if (!uplinks) return uplinks.error();
    status.document = hold_guarded(std::move(status.document), status.topology, *uplinks);
    status.built = build_image(status.document, status.topology);
    status.uplinks = *std::move(uplinks);
    for (const int ifindex : state.serves())
        if (state.serve_alive(ifindex)) status.serves.push_back(ifindex);
    for (const int ifindex : status.built.tunnels)
        if (!state.tunnel_alive(ifindex))
            status.weaknesses.push_back(fmt::format("names are not resolved through {}, and queries that "
                                                    "take it by themselves go where they are sent: our "
                                                    "programs are not on it; attach again",
                                                    device_name(status.topology, ifindex)));
    Result<std::vector<CgroupHook>> sockets = state.cgroup_hooks();
    if (!sockets) return sockets.error();
    status.cgroup_hooks = *std::move(sockets);
    Result<std::vector<GuardHook>> guards = state.guard_hooks();
    if (!guards) return guards.error();
    status.guards = *std::move(guards);
    status.gate = state.gate();
    if (const auto modules = active_lsms())
        status.lsm_active = std::ranges::find(*modules, "bpf") != modules->end();
    const Result<Counters> counters = state.counters();
    if (!counters) return counters.error();
    status.counters = *counters;
    const Result<State::Untold> untold = state.untold();
    if (!untold) return untold.error();
    status.untold = *untold;
    status.windows = state.windows();
    status.trial = on_trial(status.document);
    status.portal = portal_of(status.document, status.topology);
    judge(status);
    for (const Scope &scope : status.document.scopes)
        for (std::string &told : root_sockets(scope.policy))
            status.remarks.push_back(std::move(told));
    return status;
}

} // namespace lk
