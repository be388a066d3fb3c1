// SPDX-License-Identifier: MIT
#include "cases/table.h"

#include <fmt/format.h>

namespace lk {

namespace {

// A packet as one variant of link sends it.
struct Variant {
    const char *suffix;
    bool l3;
    std::vector<std::uint16_t> tags;
};

Case make(const Spec &spec, const Variant &variant) {
    Case c;
    c.name = spec.name + variant.suffix;
    c.row = spec.row;
    c.expected = {spec.verdict.value_or(verdict_of(spec.reason)), spec.reason};
    // Row 6: what is sent on must hold nothing that its translation would not read.
    if (spec.verdict == LK_REWRITE && !variant.tags.empty()) {
        c.expected = {LK_REFUSE, LK_DNS_FORM};
        c.row = "6.3";
    }
    if (spec.reason == LK_BOOTSTRAP_DNS && !variant.tags.empty()) {
        c.expected = {LK_REFUSE, LK_DNS_NO_TUNNEL};
        c.row = "6.2";
        if (spec.world.policy.resolvers.empty()) {
            c.expected.reason = LK_DNS_NO_RESOLVER;
            c.row = "6.1";
        }
    }
    c.world = spec.world;
    c.world.l3 = variant.l3;
    const auto step = [&](Packet p, const Sender &sender) {
        if (!variant.tags.empty()) p.tags = variant.tags;
        return Case::Step{sender, p.frame(variant.l3)};
    };
    for (Packet p : spec.arrived) {
        if (!variant.tags.empty()) p.tags = variant.tags;
        c.world.arrived.push_back(p.frame(variant.l3));
    }
    for (const Packet &p : spec.earlier)
        c.earlier.push_back(step(p, spec.earlier_sender));
    c.gap_ns = spec.gap_ns;
    c.packet = step(spec.packet, spec.sender);
    return c;
}

} // namespace

Spec &Table::add(const std::string &name, const std::string &row, lk_reason reason, const Packet &packet) {
    Spec spec;
    spec.name = name;
    spec.row = row;
    spec.reason = reason;
    spec.packet = packet;
    spec.world = laptop();
    return specs_.emplace_back(std::move(spec));
}

std::vector<Case> Table::cases() const {
    static const Variant ethernet{"", false, {}}, l3{".l3", true, {}}, vlan{".vlan", false, {0x8100}},
        qinq{".qinq", false, {0x88a8, 0x8100}};
    std::vector<Case> out;
    for (const Spec &spec : specs_) {
        if (spec.on != On::l3) out.push_back(make(spec, ethernet));
        if (spec.on != On::ethernet) out.push_back(make(spec, l3));
        if (spec.on == On::any) {
            out.push_back(make(spec, vlan));
            out.push_back(make(spec, qinq));
        }
    }
    return out;
}

const std::vector<Case> &all_cases() {
    static const std::vector<Case> cases = [] {
        Table t;
        rows_device(t);
        rows_link(t);
        rows_malformed_v4(t);
        rows_malformed_v6(t);
        rows_malformed_upper(t);
        rows_source(t);
        rows_fragment(t);
        rows_gateway(t);
        rows_embedded(t);
        rows_bootstrap(t);
        rows_portal(t);
        rows_dns(t);
        rows_service(t);
        rows_neighbour(t);
        rows_lan(t);
        rows_served(t);
        rows_rest(t);
        return t.cases();
    }();
    return cases;
}

lk_verdict verdict_of(lk_reason reason) {
    switch (reason) {
    case LK_ARP:
    case LK_LINK:
    case LK_BOOTSTRAP_DNS:
    case LK_PORTAL:
    case LK_VPN_DAEMON:
    case LK_GATEWAY:
    case LK_SERVED:
    case LK_LAN:
    case LK_MULTICAST:
    case LK_OUT_OF_SCOPE: return LK_PASS;
    case LK_FRAGMENT:
    case LK_DNS: // row 7; row 6 rewrites
    case LK_DNS_NO_RESOLVER:
    case LK_DNS_NO_TUNNEL:
    case LK_DNS_FORM:
    case LK_NOT_ALLOWED: return LK_REFUSE;
    default: return LK_DROP;
    }
}

std::string verdict_name(lk_verdict verdict) {
    static const char *const names[] = {"drop", "refuse", "pass", "rewrite"};
    static_assert(std::size(names) == LK_VERDICTS);
    return verdict < LK_VERDICTS ? names[verdict] : fmt::format("verdict {}", static_cast<int>(verdict));
}

std::string reason_name(lk_reason reason) {
    static const char *const names[] = {
        "no-policy",   "ethertype", "malformed", "source",       "fragment",        "dns",
        "not-allowed", "bypass",    "arp",       "link",         "vpn-daemon",      "gateway",
        "served",      "lan",       "multicast", "out-of-scope", "dns-no-resolver", "dns-no-tunnel",
        "dns-form",    "dns-ports", "dns-flow",  "dns-size",     "bootstrap-dns",   "portal"};
    static_assert(std::size(names) == LK_REASONS);
    return reason < LK_REASONS ? names[reason] : fmt::format("reason {}", static_cast<int>(reason));
}

std::string to_string(const Answer &answer) {
    return verdict_name(answer.verdict) + " " + reason_name(answer.reason);
}

std::string describe(const World &w) {
    std::string out = fmt::format("{}{}{}{}{}", w.active ? "" : " inactive", w.l3 ? " l3" : " ethernet",
                                  w.bond_port ? " bond-port" : "", w.bridge_port ? " bridge-port" : "",
                                  w.pppoe_carrier ? " pppoe-carrier" : "");
    for (const WorldAddress &a : w.own)
        out += fmt::format(" own {}/{}", a.address.str(), a.prefix_length);
    for (const Address &a : w.next_hops)
        out += " via " + a.str();
    if (w.portal_until_ns) out += fmt::format(" portal-until {}", w.portal_until_ns);
    for (const Address &a : w.routers)
        out += " router " + a.str();
    for (const WorldAddress &a : w.tunnels)
        out += fmt::format(" tunnel {}/{}", a.address.str(), a.prefix_length);
    const Policy &p = w.policy;
    for (const Gateway &g : p.gateways)
        out += " --gw " + g.str();
    for (const Resolver &r : p.resolvers)
        out += " --dns " + r.str();
    for (const ServedPort &s : p.services)
        out += " --serve " + s.str();
    for (const auto &frame : w.arrived)
        out += " came " + hexdump(frame);
    for (const Prefix &l : p.lan)
        out += " --lan " + l.str();
    for (const Prefix &n : p.nat64)
        out += " --nat64 " + n.str();
    if (p.vpn_mark) out += " --vpn-mark " + p.vpn_mark->str();
    out += fmt::format("{}{}{}{}{}{}", p.strict ? " --strict" : "", p.no_lan ? " --no-lan" : "",
                       p.lan_names ? " --lan-names" : "", p.no_multicast ? " --no-multicast" : "",
                       p.pppoe ? " --pppoe" : "", p.action == Action::drop ? " --action drop" : "");
    return out;
}

} // namespace lk
