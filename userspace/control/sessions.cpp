// SPDX-License-Identifier: MIT
#include "control/sessions.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <map>
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

bool serves(const std::vector<ServedPort> &services, const TcpSession &session) {
    return std::ranges::any_of(services, [&](const ServedPort &service) { return serves(service, session); });
}

// Sessions that an uplink would keep, if their routes led by it.
class Strays {
  public:
    void add(const TcpSession &session, const Device &way) {
        if (++count_ > most_told) return;
        const std::string host = session.remote.str();
        told_.push_back(fmt::format("the session of {}:{} with tcp/{} is not kept: its route leads by {}",
                                    session.remote.is_v4() ? host : '[' + host + ']', session.remote_port,
                                    session.local_port, way.name));
    }
    std::vector<std::string> notices() && {
        if (count_ > most_told)
            told_.push_back(fmt::format("and {} more sessions are not kept: their routes lead elsewhere",
                                        count_ - most_told));
        return std::move(told_);
    }

  private:
    static constexpr std::size_t most_told = 3;
    std::size_t count_ = 0;
    std::vector<std::string> told_;
};

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
    const std::vector<DeviceClass> &classes = view.plan().classes;
    const std::vector<std::optional<int>> ways = ways_of(*sessions);
    std::map<int, std::vector<Address>> own;
    for (const Guarded &guarded : view.plan().guarded)
        own[guarded.ifindex] = reach(topology, guarded.ifindex).own;
    std::vector<lk_served> kept;
    Strays strays;
    for (std::size_t i = 0; i < sessions->size(); ++i) {
        const TcpSession &session = (*sessions)[i];
        const Device *way = ways[i] ? topology.find(*ways[i]) : nullptr;
        if (!way) continue;
        const std::vector<int> by = lowest(topology, classes, way->ifindex);
        bool wanted = false;
        for (const NewServices &each : fresh) {
            if (!has(own[each.ifindex], session.local) || !serves(each.services, session)) continue;
            wanted = true;
            if (has(by, each.ifindex)) kept.push_back(flow_of(session, each.ifindex));
        }
        // One that another uplink serves, kept just now or known to it before, is where it belongs; and what
        // is inside was never sent by the uplink.
        const bool at_home = std::ranges::any_of(view.plan().guarded, [&](const Guarded &guarded) {
            return has(by, guarded.ifindex) && has(own[guarded.ifindex], session.local) &&
                   serves(now.scopes[guarded.scope].policy.services, session);
        });
        const auto its = classes[static_cast<std::size_t>(way - topology.devices.data())];
        if (wanted && !at_home && (its == DeviceClass::uplink || its == DeviceClass::tunnel))
            strays.add(session, *way);
    }
    if (!kept.empty())
        if (const Result<void> done = state.keep_sessions(kept); !done) return ends(done.error());
    return std::move(strays).notices();
}

} // namespace lk
