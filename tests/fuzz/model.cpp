// SPDX-License-Identifier: MIT
// The rows of docs/policy.md, in order: the first that matches decides.
#include "fuzz/model.h"

#include <algorithm>

namespace lk::model {

namespace {

constexpr std::uint64_t portal_most_ns = 30ull * 60 * 1000 * 1000 * 1000;
constexpr std::uint64_t fragment_life_ns = 30ull * 1000 * 1000 * 1000;

bool any(const Ip &address) { // 0.0.0.0 or ::
    return address == Ip{true, {}} || address == Ip{false, {}};
}

bool is(const Ip &address, const char *text) {
    return address == ip(text);
}

bool udp(const Packet &p, unsigned port) {
    return p.protocol == 17 && p.port == port;
}

} // namespace

Answer Model::judge(const Sender &sender, std::span<const std::uint8_t> frame, std::uint64_t now_ns) {
    if (!world_.active) return {LK_DROP, LK_NO_POLICY}; // row 0
    const auto l = read_link(world_.l3, frame);
    if (!l) return {LK_DROP, LK_ETHERTYPE};
    if (l->type != 0x0800 && l->type != 0x86dd) return link(*l, frame);
    auto p = l->type == 0x0800 ? read_ipv4(l->rest) : read_ipv6(l->rest);
    if (!p) return {LK_DROP, LK_MALFORMED}; // row 2
    p->dressed = p->dressed || l->tagged;
    const Answer answer = decide(sender, *p, now_ns);
    if (p->shape == Shape::first && answer.verdict == LK_PASS)
        passed_[{p->source, p->destination, p->fragment_protocol, p->fragment_id}] = {answer.reason, now_ns};
    return answer;
}

// Row 1.
Answer Model::link(const Link &l, std::span<const std::uint8_t> frame) const {
    if (l.type == 0x0806) {
        const auto arp = read_arp(l.rest);
        if (arp) {
            const bool sender = own(arp->sender) || any(arp->sender);
            const Ip &t = arp->target;
            if (sender && (own(t) || lan(t) || next_hop(t) || (on_link(t) && gateway(t))))
                return {LK_PASS, LK_ARP};
        }
    }
    if (l.type == 0x888e) return {LK_PASS, LK_LINK};
    if (l.type == 0x8809 && world_.bond_port) return {LK_PASS, LK_LINK};
    if ((l.type == 0x8863 || l.type == 0x8864) && world_.policy.pppoe && world_.pppoe_carrier)
        return {LK_PASS, LK_LINK};
    if (world_.bridge_port && !l.tagged && l.type < 0x0600 && frame.size() >= 17) {
        static const std::uint8_t group[] = {0x01, 0x80, 0xc2, 0, 0, 0}, llc[] = {0x42, 0x42, 0x03};
        if (std::equal(group, group + 6, frame.begin()) && std::equal(llc, llc + 3, frame.begin() + 14))
            return {LK_PASS, LK_LINK};
    }
    return {LK_DROP, LK_ETHERTYPE};
}

Answer Model::decide(const Sender &sender, const Packet &p, std::uint64_t now_ns) const {
    const Policy &policy = world_.policy;
    if (!row_3(p)) {
        if (sender.forwarded && p.tcp_or_udp() && p.port == 53) return row_6(p);
        return {LK_DROP, LK_SOURCE};
    }
    if (sender.vpn_daemon && (!policy.strict || (p.shape != Shape::tail && covered(p, false))))
        return {LK_PASS, LK_VPN_DAEMON}; // row 4
    if (p.shape == Shape::tail) {        // row F
        const auto it = passed_.find({p.source, p.destination, p.fragment_protocol, p.fragment_id});
        if (it != passed_.end() && now_ns - it->second.at_ns <= fragment_life_ns)
            return {LK_PASS, it->second.reason};
        return {LK_REFUSE, LK_FRAGMENT};
    }
    if (policy.strict) { // row 5
        const bool marked =
            policy.vpn_mark && (sender.fwmark & policy.vpn_mark->mask) == policy.vpn_mark->value;
        if (marked && covered(p, true)) return {LK_PASS, LK_GATEWAY};
    } else if (covered(p, false)) {
        return {LK_PASS, LK_GATEWAY};
    }
    if (row_p(p, now_ns)) return {LK_PASS, LK_PORTAL};
    if (p.tcp_or_udp()) {
        if (p.port == 53) {
            const Answer otherwise = row_6(p);
            const bool no_tunnel =
                otherwise.reason == LK_DNS_NO_RESOLVER || otherwise.reason == LK_DNS_NO_TUNNEL;
            if (no_tunnel && row_b(p)) return {LK_PASS, LK_BOOTSTRAP_DNS};
            return otherwise;
        }
        if (p.port == 853 && lan_of_both(p)) return {LK_REFUSE, LK_DNS}; // row 7
        const bool names = p.port == 5355 || p.port == 137 || p.port == 138;
        if (names && !policy.lan_names) return {LK_REFUSE, LK_DNS};
    }
    if (row_8(p)) return {LK_PASS, LK_LINK};
    if (row_9(p)) return {LK_PASS, LK_SERVED};
    if (!policy.no_lan && lan_of_both(p)) return {LK_PASS, LK_LAN};
    if (row_11(p)) return {LK_PASS, LK_MULTICAST};
    return {LK_REFUSE, LK_NOT_ALLOWED}; // row 12
}

// The world's one tunnel is up; its addresses are not tentative.
Answer Model::row_6(const Packet &p) const {
    static const Net link_local = net("fe80::", 64);
    bool resolver = false, tunnel = false;
    for (const Resolver &r : world_.policy.resolvers) {
        if (p.destination.v4 && !r.address.is_v4()) continue;
        resolver = true;
        for (const WorldAddress &own : world_.tunnels)
            if (own.address.is_v4() == r.address.is_v4() && own.address != r.address &&
                !link_local.contains(ip(own.address)))
                tunnel = true;
    }
    if (!resolver) return {LK_REFUSE, LK_DNS_NO_RESOLVER};
    if (!tunnel) return {LK_REFUSE, LK_DNS_NO_TUNNEL};
    if (p.shape != Shape::whole || p.dressed || p.source_port == 0) return {LK_REFUSE, LK_DNS_FORM};
    static const Net groups4 = net("224.0.0.0", 4), groups6 = net("ff00::", 8);
    for (const Ip &a : {p.source, p.destination})
        if (any(a) || groups4.contains(a) || groups6.contains(a) || is(a, "255.255.255.255"))
            return {LK_REFUSE, LK_DNS_FORM};
    return {LK_REWRITE, LK_DNS};
}

bool Model::row_3(const Packet &p) const {
    return own(p.source) || (any(p.source) && row_8(p));
}

// A source that is neither own nor unspecified has been dropped by row 3, or is a port 53 that row 6 has
// refused.
bool Model::row_8(const Packet &p) const {
    if (p.shape != Shape::whole) return false;
    const bool from_own = own(p.source), from_any = any(p.source);
    if (!from_own && !from_any) return false;
    if (p.destination.v4) {
        static const Net groups = net("224.0.0.0", 4);
        if (udp(p, 67) && p.source_port == 68)
            return is(p.destination, "255.255.255.255") || (from_own && lan(p.destination));
        return p.protocol == 2 && p.hop_limit == 1 && groups.contains(p.destination);
    }
    static const Net link_local = net("fe80::", 64), groups = net("ff00::", 8),
                     link_local_10 = net("fe80::", 10);
    if (udp(p, 547) && p.source_port == 546)
        return from_own && (is(p.destination, "ff02::1:2") || link_local.contains(p.destination));
    if (p.protocol != 58) return false;
    switch (p.type) {
    case 133: return p.hop_limit == 255 && is(p.destination, "ff02::2");
    case 135: return p.hop_limit == 255 && row_8_neighbour_solicitation(p);
    case 136:
        return from_own && p.hop_limit == 255 &&
               (is(p.destination, "ff02::1") || on_link_unicast(p.destination));
    case 131:
    case 132:
    case 143:
        return p.hop_limit == 1 && groups.contains(p.destination) &&
               (from_any || link_local_10.contains(p.source));
    default: return false;
    }
}

bool Model::row_8_neighbour_solicitation(const Packet &p) const {
    static const Net link_local = net("fe80::", 64), solicited = net("ff02::1:ff00:0", 104);
    const bool to_group = solicited.contains(p.destination);
    if (!to_group && !on_link_unicast(p.destination)) return false;
    const Ip &t = p.target;
    if (own(p.source)) {
        if (own(t) || lan(t) || link_local.contains(t) || next_hop(t) || (on_link(t) && gateway(t)))
            return true;
    }
    if (any(p.source)) return to_group && (own(t) || on_link(t) || link_local.contains(t));
    return false;
}

bool Model::row_p(const Packet &p, std::uint64_t now_ns) const {
    if (p.shape != Shape::whole || !router(p.destination)) return false;
    if (!udp(p, 53) && !(p.protocol == 6 && (p.port == 53 || p.port == 80 || p.port == 443))) return false;
    if (p.port == 53) { // as row B
        const lk_reason otherwise = row_6(p).reason;
        if (otherwise != LK_DNS_NO_RESOLVER && otherwise != LK_DNS_NO_TUNNEL) return false;
    }
    const std::uint64_t until = world_.portal_until_ns;
    return until > now_ns && until - now_ns <= portal_most_ns;
}

bool Model::row_11(const Packet &p) const {
    if (world_.policy.no_multicast || p.protocol != 17) return false;
    const Ip &to = p.destination;
    if (p.port == 1900) return is(to, "239.255.255.250") || is(to, "ff02::c") || is(to, "ff05::c");
    if (p.port == 5353) return is(to, "224.0.0.251") || is(to, "ff02::fb");
    if (p.port == 5355 && world_.policy.lan_names) return is(to, "224.0.0.252") || is(to, "ff02::1:3");
    return false;
}

} // namespace lk::model
