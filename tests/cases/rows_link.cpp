// SPDX-License-Identifier: MIT
// Rows 0 and 1: no policy, and what is not IP.
#include <fmt/ranges.h>

#include "cases/table.h"

namespace lk {

namespace {

constexpr Mac bridge_group{0x01, 0x80, 0xc2, 0, 0, 0};

Packet bpdu() {
    Bytes body{0x42, 0x42, 0x03};
    body.resize(46);
    Packet p = raw(0x0026, body);
    p.to = bridge_group;
    return p;
}

Packet tagged(Packet p, std::vector<std::uint16_t> tags) {
    p.tags = std::move(tags);
    return p;
}

Packet arp_patched(std::size_t at, std::uint8_t value) {
    Packet p = arp("192.168.1.10", "192.168.1.20");
    (*p.body)[at] = value;
    return p;
}

} // namespace

void rows_device(Table &t) {
    static const World bare = with([](World &w) { w.active = false; });
    for (const Family &f : families()) {
        t.add("inactive.gateway." + f.tag, "0", LK_NO_POLICY, udp(f.own, f.gw_any, 1000, 1194)).in(bare);
        t.add("active.gateway." + f.tag, "5", LK_GATEWAY, udp(f.own, f.gw_any, 1000, 1194));
        t.add("inactive.daemon." + f.tag, "0", LK_NO_POLICY, udp(f.own, f.internet, 1000, 1194))
            .in(bare)
            .by(daemon_sender);
        t.add("inactive.malformed." + f.tag, "0", LK_NO_POLICY, udp(f.own, f.lan, 1, 2).cut(7)).in(bare);
    }
    t.add("inactive.arp", "0", LK_NO_POLICY, arp("192.168.1.10", "192.168.1.20")).in(bare).only(On::ethernet);
    t.add("inactive.unknown-type", "0", LK_NO_POLICY, raw(0x1234, Bytes(46))).in(bare).only(On::ethernet);
}

namespace {

void arp_rows(Table &t) {
    const auto arp_case = [&](const char *name, lk_reason reason, const Packet &p) -> Spec & {
        return t.add(std::string("arp.") + name, reason == LK_ARP ? "1.1" : "1.3", reason, p)
            .only(On::ethernet);
    };
    const char *own = "192.168.1.10";
    arp_case("lan", LK_ARP, arp(own, "192.168.1.20"));
    arp_case("reply", LK_ARP, arp(own, "192.168.1.20", 2));
    arp_case("operation-3", LK_ETHERTYPE, arp(own, "192.168.1.20", 3));
    arp_case("operation-0", LK_ETHERTYPE, arp(own, "192.168.1.20", 0));
    arp_case("probe", LK_ARP, arp("0.0.0.0", "192.168.1.20"));
    arp_case("announcement", LK_ARP, arp("198.51.100.10", "198.51.100.10"));
    arp_case("foreign-sender", LK_ETHERTYPE, arp("192.168.1.11", "192.168.1.20"));
    arp_case("tunnel-sender", LK_ETHERTYPE, arp("10.42.0.2", "192.168.1.20"));
    arp_case("lan-broadcast", LK_ARP, arp(own, "192.168.1.255"));
    arp_case("beyond-lan", LK_ETHERTYPE, arp(own, "192.168.2.0"));
    arp_case("next-hop-elsewhere", LK_ARP, arp(own, "203.0.113.1"));
    arp_case("next-hop-neighbour", LK_ETHERTYPE, arp(own, "203.0.113.2"));
    arp_case("on-link-gateway", LK_ARP, arp(own, "198.51.100.77"));
    arp_case("on-link-public", LK_ETHERTYPE, arp(own, "198.51.100.20"));
    arp_case("off-link-gateway", LK_ETHERTYPE, arp(own, "203.0.113.7"));
    arp_case("internet", LK_ETHERTYPE, arp(own, "203.0.113.200"));
    arp_case("no-lan", LK_ARP, arp(own, "192.168.1.20")).in(with([](World &w) { w.policy.no_lan = true; }));
    arp_case("lan-named", LK_ARP, arp(own, "198.51.100.20")).in(with([](World &w) {
        w.policy.lan = {*Prefix::parse("198.51.100.16/28")};
    }));
    arp_case("lan-carved-out", LK_ETHERTYPE, arp(own, "192.168.1.20")).in(with([](World &w) {
        w.tunnels.push_back({*Address::parse("192.168.1.20"), 32});
    }));
    arp_case("forwarded", LK_ARP, arp(own, "192.168.1.20")).by(forwarded);
    arp_case("daemon-internet", LK_ETHERTYPE, arp(own, "203.0.113.200")).by(daemon_sender);
    arp_case("28-bytes", LK_ARP, arp(own, "192.168.1.20").cut(28));
    arp_case("27-bytes", LK_ETHERTYPE, arp(own, "192.168.1.20").cut(27));
    arp_case("padded", LK_ARP, arp(own, "192.168.1.20").pad(18));
    arp_case("hardware-type", LK_ETHERTYPE, arp_patched(1, 6));
    arp_case("protocol-type", LK_ETHERTYPE, arp_patched(3, 1));
    arp_case("hardware-length", LK_ETHERTYPE, arp_patched(4, 8));
    arp_case("protocol-length", LK_ETHERTYPE, arp_patched(5, 16));
    arp_case("tagged", LK_ARP, tagged(arp(own, "192.168.1.20"), {0x8100}));
    arp_case("two-tags", LK_ARP, tagged(arp(own, "192.168.1.20"), {0x88a8, 0x8100}));
    arp_case("three-tags", LK_ETHERTYPE, tagged(arp(own, "192.168.1.20"), {0x88a8, 0x8100, 0x8100}));
}

void other_link_rows(Table &t) {
    static const World bond = with([](World &w) { w.bond_port = true; });
    static const World bridge = with([](World &w) { w.bridge_port = true; });
    static const World pppoe = with([](World &w) { w.policy.pppoe = w.pppoe_carrier = true; });
    const auto link = [&](const char *name, lk_reason reason, const Packet &p) -> Spec & {
        return t.add(std::string("link.") + name, reason == LK_LINK ? "1.2" : "1.3", reason, p)
            .only(On::ethernet);
    };
    link("eapol", LK_LINK, raw(0x888e, Bytes(46)));
    link("eapol-empty", LK_LINK, raw(0x888e, {}));
    link("eapol-tagged", LK_LINK, tagged(raw(0x888e, Bytes(46)), {0x8100}));
    link("eapol-neighbour-type", LK_ETHERTYPE, raw(0x888f, Bytes(46)));
    link("lacp-bond", LK_LINK, raw(0x8809, Bytes(46))).in(bond);
    link("lacp-no-bond", LK_ETHERTYPE, raw(0x8809, Bytes(46)));
    link("lacp-bridge", LK_ETHERTYPE, raw(0x8809, Bytes(46))).in(bridge);
    link("bpdu-bridge", LK_LINK, bpdu()).in(bridge);
    link("bpdu-no-bridge", LK_ETHERTYPE, bpdu());
    link("bpdu-bond", LK_ETHERTYPE, bpdu()).in(bond);
    link("bpdu-shortest", LK_LINK, bpdu().cut(3)).in(bridge);
    link("bpdu-too-short", LK_ETHERTYPE, bpdu().cut(2)).in(bridge);
    link("bpdu-tagged", LK_ETHERTYPE, tagged(bpdu(), {0x8100})).in(bridge);
    Packet elsewhere = bpdu();
    elsewhere.to[5] = 1;
    link("bpdu-other-group", LK_ETHERTYPE, elsewhere).in(bridge);
    for (std::size_t i = 0; i < 3; ++i) {
        Packet p = bpdu();
        (*p.body)[i] ^= 1;
        link(i == 0 ? "bpdu-dsap" : i == 1 ? "bpdu-ssap" : "bpdu-control", LK_ETHERTYPE, p).in(bridge);
    }
    Packet longest = bpdu(), no_length = bpdu();
    longest.type = 0x05ff;
    no_length.type = 0x0600;
    link("bpdu-length-05ff", LK_LINK, longest).in(bridge);
    link("bpdu-length-0600", LK_ETHERTYPE, no_length).in(bridge);
    link("pppoe-session", LK_LINK, raw(0x8864, Bytes(46))).in(pppoe);
    link("pppoe-discovery", LK_LINK, raw(0x8863, Bytes(46))).in(pppoe);
    link("pppoe-not-asked", LK_ETHERTYPE, raw(0x8864, Bytes(46))).in(with([](World &w) {
        w.pppoe_carrier = true;
    }));
    link("pppoe-unguarded", LK_ETHERTYPE, raw(0x8864, Bytes(46))).in(with([](World &w) {
        w.policy.pppoe = true;
    }));
    link("pppoe-other-type", LK_ETHERTYPE, raw(0x8862, Bytes(46))).in(pppoe);

    link("unknown-type", LK_ETHERTYPE, raw(0x1234, udp("192.168.1.10", "192.168.1.20", 1, 2).network()));
    link("llc", LK_ETHERTYPE, raw(0x0026, Bytes(46)));
    link("mpls", LK_ETHERTYPE, raw(0x8847, Bytes(46)));
    link("daemon-unknown-type", LK_ETHERTYPE, raw(0x1234, Bytes(46))).by(daemon_sender);
    link("header-only", LK_ETHERTYPE, raw(0x1234, {}));
    link("tag-cut-short", LK_ETHERTYPE, raw(0x8100, {0}));
    link("tag-of-3-bytes", LK_ETHERTYPE, raw(0x8100, {0, 7, 8}));
}

} // namespace

void rows_link(Table &t) {
    arp_rows(t);
    other_link_rows(t);
    for (const Family &f : families()) {
        const Packet lan = udp(f.own, f.lan, 1000, 2000);
        for (const std::vector<std::uint16_t> &tags :
             {std::vector<std::uint16_t>{0x8100, 0x8100}, {0x88a8, 0x88a8}, {0x88a8}, {0x8100, 0x88a8}})
            t.add("tags." + fmt::format("{:04x}", fmt::join(tags, "-")) + "." + f.tag, "10", LK_LAN,
                  tagged(lan, tags))
                .only(On::ethernet);
        t.add("tags.three." + f.tag, "1.3", LK_ETHERTYPE, tagged(lan, {0x88a8, 0x8100, 0x8100}))
            .only(On::ethernet);
        t.add("tags.9100." + f.tag, "1.3", LK_ETHERTYPE, tagged(lan, {0x9100})).only(On::ethernet);
        t.add("l3.version-0." + f.tag, "1.3", LK_ETHERTYPE, raw(0, {0x00, 0x45})).only(On::l3);
        t.add("l3.version-5." + f.tag, "1.3", LK_ETHERTYPE, raw(0, Bytes(60, 0x55))).only(On::l3);
    }
    t.add("l3.empty", "1.3", LK_ETHERTYPE, raw(0, {})).only(On::l3);
    t.add("l3.frame-as-packet", "1.3", LK_ETHERTYPE, raw(0, arp("192.168.1.10", "192.168.1.20").frame(false)))
        .only(On::l3);
}

} // namespace lk
