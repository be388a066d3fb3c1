// SPDX-License-Identifier: MIT
#include "control/sessions.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <set>

#include "control/reconcile.h"
#include "control/scopes.h"
#include "net/tcp_sessions.h"

namespace lk {

namespace {

bool has(const auto &list, const auto &what) {
    return std::ranges::find(list, what) != list.end();
}

bool serves(const ServedPort &service, const TcpSession &session) {
    return service.protocol == Protocol::tcp && service.port == session.local_port &&
           (!service.from || service.from->contains(session.remote));
}

lk_served flow_of(const TcpSession &session, int ifindex) {
    lk_served flow{};
    flow.remote = session.remote.abi();
    flow.local = session.local.abi();
    flow.remote_port = htons(session.remote_port);
    flow.local_port = htons(session.local_port);
    flow.ifindex = static_cast<__u32>(ifindex);
    flow.proto = IPPROTO_TCP;
    return flow;
}

} // namespace

std::vector<NewServices> new_services(const Document &now, const Document &before, const Topology &topology,
                                      const std::vector<UplinkHook> &hooks_before) {
    const ScopeView view(now, topology), view_before(before, topology);
    std::vector<NewServices> fresh;
    for (const Guarded &guarded : view.plan().guarded) {
        NewServices found{guarded.ifindex, {}};
        const auto scope = view_before.scope_of(guarded.ifindex);
        const bool was_guarded = scope && alive_on(hooks_before, guarded.ifindex);
        for (const ServedPort &service : now.scopes[guarded.scope].policy.services)
            if (!was_guarded || !has(before.scopes[*scope].policy.services, service))
                found.services.push_back(service);
        if (!found.services.empty()) fresh.push_back(std::move(found));
    }
    return fresh;
}

std::vector<std::string> keep_sessions(State &state, const Document &now, const Topology &topology,
                                       const std::vector<NewServices> &fresh) {
    std::set<std::uint16_t> ports;
    for (const NewServices &each : fresh)
        for (const ServedPort &service : each.services)
            if (service.protocol == Protocol::tcp) ports.insert(service.port);
    if (ports.empty()) return {};
    const auto ends = [](const Error &error) {
        return std::vector{fmt::format("sessions of --serve that are there already end: {}", error.message)};
    };
    const auto sessions = tcp_sessions(ports);
    if (!sessions) return ends(sessions.error());
    const ScopeView view(now, topology);
    std::vector<lk_served> kept;
    for (const NewServices &each : fresh) {
        const Reach around = reach(topology, each.ifindex);
        for (const TcpSession &session : *sessions) {
            if (!has(around.own, session.local)) continue;
            if (std::ranges::none_of(each.services, [&](const ServedPort &s) { return serves(s, session); }))
                continue;
            const auto way = way_of(session);
            if (!way || !topology.find(*way)) continue;
            if (has(lowest(topology, view.plan().classes, *way), each.ifindex))
                kept.push_back(flow_of(session, each.ifindex));
        }
    }
    if (kept.empty()) return {};
    if (const Result<void> done = state.keep_sessions(kept); !done) return ends(done.error());
    return {};
}

} // namespace lk
