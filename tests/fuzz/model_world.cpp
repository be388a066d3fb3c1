// SPDX-License-Identifier: MIT
// The terms of docs/policy.md: own, LAN, on-link, gateway.
#include <algorithm>

#include "fuzz/model.h"

namespace lk::model {

namespace {

bool any_contains(const std::vector<Net> &nets, const Ip &ip) {
    return std::any_of(nets.begin(), nets.end(), [&](const Net &n) { return n.contains(ip); });
}

bool any_equals(const std::vector<Ip> &ips, const Ip &ip) {
    return std::find(ips.begin(), ips.end(), ip) != ips.end();
}

const Net link_local = net("fe80::", 64);

// An on-link prefix cut down to the private ranges; nullopt: none of it, or wider than the page allows.
std::optional<Net> cut_down(const Net &prefix) {
    static const Net ranges[] = {net("10.0.0.0", 8),     net("172.16.0.0", 12), net("192.168.0.0", 16),
                                 net("169.254.0.0", 16), net("fc00::", 7),      link_local};
    if (prefix.length < (prefix.base.v4 ? 16u : 48u)) return std::nullopt;
    for (const Net &range : ranges) {
        if (range.length <= prefix.length && range.contains(prefix.base)) return prefix;
        if (prefix.length < range.length && prefix.contains(range.base)) return range;
    }
    return std::nullopt;
}

// The IPv4 address that a 6to4 or NAT64 address stands for.
std::optional<Ip> embedded(const Ip &address) {
    static const Net six_to_four = net("2002::", 16), nat64 = net("64:ff9b::", 96);
    std::size_t at;
    if (six_to_four.contains(address))
        at = 2;
    else if (nat64.contains(address))
        at = 12;
    else
        return std::nullopt;
    Ip out{true, {}};
    std::copy_n(address.bytes.begin() + static_cast<std::ptrdiff_t>(at), 4, out.bytes.begin());
    return out;
}

} // namespace

Model::Model(const World &world) : world_(world) {
    const Policy &policy = world_.policy;
    for (const WorldAddress &a : world_.own) {
        own_.push_back(ip(a.address));
        on_link_.push_back(net(a.address, a.prefix_length));
        if (const auto part = cut_down(on_link_.back())) lan_.push_back(*part);
        if (link_local.contains(own_.back())) lan_.push_back(link_local);
    }
    for (const Prefix &p : policy.lan)
        lan_.push_back(net(p.address, p.length));
    for (const WorldAddress &a : world_.tunnels) {
        const Net prefix = net(a.address, a.prefix_length);
        if (prefix.length >= 64 && link_local.contains(prefix.base)) continue; // another link's
        never_lan_.push_back(prefix);
    }
    for (const Resolver &r : policy.resolvers)
        never_lan_.push_back(net(r.address, r.address.is_v4() ? 32 : 128));
    for (const Address &a : world_.next_hops)
        next_hops_.push_back(ip(a));
    for (const Address &a : world_.routers)
        routers_.push_back(ip(a));
    for (const auto &frame : world_.arrived)
        note_arrival(frame);
    for (const Gateway &g : policy.gateways) {
        const Net prefix = net(g.prefix.address, g.prefix.length);
        entries_.push_back({prefix, g.protocol, g.port});
        if (!prefix.base.v4) continue;
        for (const Prefix &n : policy.nat64) {
            Net behind{ip(n.address), 96 + prefix.length};
            std::copy_n(prefix.base.bytes.begin(), 4, behind.base.bytes.begin() + 12);
            entries_.push_back({behind, g.protocol, g.port});
        }
    }
}

bool Model::own(const Ip &address) const {
    return any_equals(own_, address);
}
bool Model::next_hop(const Ip &address) const {
    return any_equals(next_hops_, address);
}
bool Model::on_link(const Ip &address) const {
    return any_contains(on_link_, address);
}
bool Model::router(const Ip &address) const {
    return any_equals(routers_, address) && !any_contains(never_lan_, address);
}
bool Model::lan(const Ip &address) const {
    return any_contains(lan_, address) && !any_contains(never_lan_, address);
}

bool Model::on_link_unicast(const Ip &address) const {
    static const Net groups6 = net("ff00::", 8), groups4 = net("224.0.0.0", 4);
    if (groups6.contains(address) || groups4.contains(address)) return false;
    return on_link(address) || next_hop(address) || link_local.contains(address);
}

bool Model::gateway(const Ip &address) const {
    return std::any_of(entries_.begin(), entries_.end(),
                       [&](const Entry &e) { return e.net.contains(address); });
}

bool Model::entry_covers(const Packet &p, const Ip &destination, bool must_name_protocol) const {
    for (const Entry &e : entries_) {
        if (!e.net.contains(destination)) continue;
        switch (e.protocol) {
        case Protocol::any:
            if (must_name_protocol) break;
            if (e.port == 0 && !(p.tcp_or_udp() && p.port == 53)) return true;
            if (e.port != 0 && p.tcp_or_udp() && p.port == e.port) return true;
            break;
        case Protocol::tcp:
            if (p.protocol == 6 && p.port == e.port) return true;
            break;
        case Protocol::udp:
            if (p.protocol == 17 && p.port == e.port) return true;
            break;
        case Protocol::esp:
            if (p.protocol == 50) return true;
            break;
        }
    }
    return false;
}

bool Model::covered(const Packet &p, bool must_name_protocol) const {
    if (!entry_covers(p, p.destination, must_name_protocol)) return false;
    const auto inner = embedded(p.destination);
    return !inner || entry_covers(p, *inner, must_name_protocol);
}

bool Model::lan_of_both(const Packet &p) const {
    if (!lan(p.destination)) return false;
    const auto inner = embedded(p.destination);
    return !inner || lan(*inner);
}

} // namespace lk::model
