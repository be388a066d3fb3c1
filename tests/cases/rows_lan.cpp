// SPDX-License-Identifier: MIT
// Row 10: what is the LAN and what is not.
#include "cases/table.h"

namespace lk {

namespace {

// A device with one own address.
World alone(const char *address, unsigned length, std::initializer_list<const char *> lan = {}) {
    World w = laptop();
    w.own = {{*Address::parse(address), length}};
    w.tunnels.clear();
    w.next_hops.clear();
    w.policy.resolvers.clear();
    for (const char *text : lan)
        w.policy.lan.push_back(*Prefix::parse(text));
    return w;
}

struct Edge {
    const char *name, *own;
    unsigned length;
    const char *inside, *outside; // of the LAN; either may be null
};

void prefixes(Table &t) {
    for (const Edge &e : {
             Edge{"192.168-24", "192.168.7.1", 24, "192.168.7.255", "192.168.8.0"},
             {"192.168-23", "192.168.7.1", 23, "192.168.6.0", "192.168.5.255"},
             {"192.168-16", "192.168.7.1", 16, "192.168.0.0", "192.167.255.255"},
             {"192.168-15", "192.168.7.1", 15, nullptr, "192.168.7.2"},
             {"192-8", "192.168.7.1", 8, nullptr, "192.168.7.2"},
             {"10-16", "10.1.0.1", 16, "10.1.255.255", "10.2.0.0"},
             {"10-15", "10.1.0.1", 15, nullptr, "10.1.0.2"},
             {"10-8", "10.1.0.1", 8, nullptr, "10.1.0.2"},
             {"10-30", "10.1.0.1", 30, "10.1.0.3", "10.1.0.4"},
             {"10-31", "10.1.0.0", 31, "10.1.0.1", "10.1.0.2"},
             {"10-32", "10.1.0.1", 32, nullptr, "10.1.0.2"},
             {"11-24", "11.0.0.1", 24, nullptr, "11.0.0.2"},
             {"9-24", "9.255.255.1", 24, nullptr, "9.255.255.2"},
             {"172.16-16", "172.16.0.1", 16, "172.16.255.255", "172.17.0.0"},
             {"172.31-24", "172.31.255.1", 24, "172.31.255.255", "172.32.0.0"},
             {"172.32-24", "172.32.0.1", 24, nullptr, "172.32.0.2"},
             {"172.15-24", "172.15.255.1", 24, nullptr, "172.15.255.2"},
             {"169.254-16", "169.254.9.1", 16, "169.254.255.255", "169.255.0.0"},
             {"169.253-24", "169.253.9.1", 24, nullptr, "169.253.9.2"},
             {"100.64-24", "100.64.9.1", 24, nullptr, "100.64.9.2"},
             {"public-24", "203.0.113.40", 24, nullptr, "203.0.113.41"},
             {"fd-64", "fd00:1::1", 64, "fd00:1::ffff:ffff:ffff:ffff", "fd00:1:0:1::"},
             {"fd-48", "fd00:1:2:3::1", 48, "fd00:1:2:ffff::1", "fd00:1:3::"},
             {"fd-47", "fd00:1:2:3::1", 47, nullptr, "fd00:1:2:3::2"},
             {"fc-64", "fc00:1::1", 64, "fc00:1::2", "fc00:1:0:1::"},
             {"fe00-64", "fe00:1::1", 64, nullptr, "fe00:1::2"},
             {"fbff-64", "fbff:1::1", 64, nullptr, "fbff:1::2"},
             {"fe80-64", "fe80::1", 64, "fe80::ffff:ffff:ffff:ffff", "fe80:0:0:1::"},
             {"fe80-10", "fe80::1", 10, "fe80::2", "fe80:0:0:1::"},
             {"fe80-128", "fe80::1", 128, "fe80::2", "fe80:0:0:1::"},
             {"febf-64", "febf::1", 64, nullptr, "febf::2"},
             {"public6-64", "2001:db8:1::1", 64, nullptr, "2001:db8:1::2"},
         }) {
        const World w = alone(e.own, e.length);
        const auto packet = [&](const char *to) { return udp(e.own, to, 1000, 2000); };
        if (e.inside) t.add(std::string("lan.") + e.name + ".inside", "10", LK_LAN, packet(e.inside)).in(w);
        t.add(std::string("lan.") + e.name + ".outside", "12", LK_NOT_ALLOWED, packet(e.outside)).in(w);
    }
}

void named(Table &t) {
    const auto yes = [&](const std::string &name, const World &w, const char *to) -> Spec & {
        return t.add("lan.named." + name, "10", LK_LAN, udp(w.own[0].address.str(), to, 1000, 2000)).in(w);
    };
    const auto no = [&](const std::string &name, const World &w, const char *to) -> Spec & {
        return t.add("lan.named." + name, "12", LK_NOT_ALLOWED, udp(w.own[0].address.str(), to, 1000, 2000))
            .in(w);
    };
    const World v4 =
        alone("203.0.113.40", 24, {"203.0.113.32/27", "172.16.0.0/12", "224.0.1.0/24", "255.255.255.255"});
    yes("public", v4, "203.0.113.63");
    no("public-beyond", v4, "203.0.113.64");
    yes("wide", v4, "172.31.0.1");
    yes("multicast", v4, "224.0.1.7");
    no("multicast-beyond", v4, "224.0.2.7");
    yes("broadcast", v4, "255.255.255.255");
    no("broadcast-not", alone("10.0.0.1", 24), "255.255.255.255");
    no("multicast-not", alone("10.0.0.1", 24), "224.0.1.7");
    const World all4 = alone("203.0.113.40", 24, {"0.0.0.0/0"});
    yes("all-v4", all4, "8.8.8.8");
    no(
        "all-v4-v6",
        [] {
            World w = alone("203.0.113.40", 24, {"0.0.0.0/0"});
            w.own.insert(w.own.begin(), {*Address::parse("2001:db8:1::10"), 64});
            return w;
        }(),
        "2001:db8::1");
    no("all-v6-v4", alone("203.0.113.40", 24, {"::/0"}), "192.168.1.20");
    yes("all-v6", alone("2001:db8:1::10", 64, {"::/0"}), "2001:db8:ffff::1");
    const World v6 = alone("2001:db8:1::10", 64, {"2001:db8:1::/64", "2001:db8:4000::/34", "ff15::/16"});
    yes("public6", v6, "2001:db8:1::20");
    yes("wide6", v6, "2001:db8:7fff::1");
    no("wide6-beyond", v6, "2001:db8:8000::1");
    yes("multicast6", v6, "ff15::7");
    no("multicast6-beyond", v6, "ff16::7");
    yes("host", alone("203.0.113.40", 24, {"203.0.113.41"}), "203.0.113.41");
    no("host-beyond", alone("203.0.113.40", 24, {"203.0.113.41"}), "203.0.113.42");
}

void carved_out(Table &t) {
    const auto add = [&](const std::string &name, lk_reason reason, const World &w, const char *from,
                         const char *to) {
        t.add("lan.minus." + name, reason == LK_LAN ? "10" : "12", reason, udp(from, to, 1000, 2000)).in(w);
    };
    // A tunnel inside the LAN, around it, and the same as it; by own prefix and by --lan.
    World w = alone("10.42.7.1", 16);
    w.tunnels = {{*Address::parse("10.42.0.2"), 24}, {*Address::parse("fd00:1::2"), 64}};
    w.policy.resolvers = {{*Address::parse("10.42.9.53")}};
    add("beside-tunnel", LK_LAN, w, "10.42.7.1", "10.42.1.0");
    add("tunnel", LK_NOT_ALLOWED, w, "10.42.7.1", "10.42.0.255");
    add("resolver", LK_NOT_ALLOWED, w, "10.42.7.1", "10.42.9.53");
    add("beside-resolver", LK_LAN, w, "10.42.7.1", "10.42.9.54");
    w.policy.lan = {*Prefix::parse("10.42.0.0/25"), *Prefix::parse("10.42.9.53"),
                    *Prefix::parse("10.43.0.0/16")};
    add("named-in-tunnel", LK_NOT_ALLOWED, w, "10.42.7.1", "10.42.0.100");
    add("named-resolver", LK_NOT_ALLOWED, w, "10.42.7.1", "10.42.9.53");
    add("named-beside", LK_LAN, w, "10.42.7.1", "10.43.0.1");
    World around = alone("192.168.1.10", 24);
    around.tunnels = {{*Address::parse("192.168.0.2"), 16}};
    around.policy.lan = {*Prefix::parse("192.168.3.0/24"), *Prefix::parse("192.169.0.0/24")};
    add("wider-tunnel", LK_NOT_ALLOWED, around, "192.168.1.10", "192.168.1.20");
    add("wider-tunnel-named", LK_NOT_ALLOWED, around, "192.168.1.10", "192.168.3.20");
    add("wider-tunnel-beyond", LK_LAN, around, "192.168.1.10", "192.169.0.20");
    World same = alone("192.168.1.10", 24);
    same.tunnels = {{*Address::parse("192.168.1.77"), 24}};
    add("same-prefix", LK_NOT_ALLOWED, same, "192.168.1.10", "192.168.1.20");
    World host = alone("192.168.1.10", 24);
    host.tunnels = {{*Address::parse("192.168.1.77"), 32}};
    add("tunnel-host", LK_NOT_ALLOWED, host, "192.168.1.10", "192.168.1.77");
    add("beside-tunnel-host", LK_LAN, host, "192.168.1.10", "192.168.1.78");
    World link_local = alone("fe80::10", 64); // of the tunnel's link, not of this one
    link_local.tunnels = {{*Address::parse("fe80::77"), 64}};
    add("tunnel-link-local", LK_LAN, link_local, "fe80::10", "fe80::20");
    World v6 = alone("fd00:1::10", 56, {"2001:db8:6::/48"});
    v6.tunnels = {{*Address::parse("fd00:1:0:7::2"), 64}, {*Address::parse("2001:db8:6:1::2"), 64}};
    v6.policy.resolvers = {{*Address::parse("fd00:1::53")}};
    add("tunnel6", LK_NOT_ALLOWED, v6, "fd00:1::10", "fd00:1:0:7::3");
    add("beside-tunnel6", LK_LAN, v6, "fd00:1::10", "fd00:1:0:8::3");
    add("resolver6", LK_NOT_ALLOWED, v6, "fd00:1::10", "fd00:1::53");
    add("beside-resolver6", LK_LAN, v6, "fd00:1::10", "fd00:1::54");
    add("named-in-tunnel6", LK_NOT_ALLOWED, v6, "fd00:1::10", "2001:db8:6:1::3");
    add("named-beside-tunnel6", LK_LAN, v6, "fd00:1::10", "2001:db8:6:2::3");
}

} // namespace

void rows_lan(Table &t) {
    static const World no_lan = with([](World &w) { w.policy.no_lan = true; });
    for (const Family &f : families()) {
        const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                             const Packet &p) -> Spec & {
            return t.add("lan." + name + "." + f.tag, row, reason, p);
        };
        add("udp", "10", LK_LAN, udp(f.own, f.lan, 1000, 2000));
        add("tcp", "10", LK_LAN, tcp(f.own, f.lan, 1000, 2000));
        add("echo", "10", LK_LAN, f.tag == "v4" ? icmp(f.own, f.lan, 8) : icmp6(f.own, f.lan, 128));
        add("gre", "10", LK_LAN, other(f.own, f.lan, 47));
        add("first", "10", LK_LAN, udp(f.own, f.lan, 1000, 2000, 600).first(1));
        add("no-lan", "12", LK_NOT_ALLOWED, udp(f.own, f.lan, 1000, 2000)).in(no_lan);
        add("no-lan-router", "12", LK_NOT_ALLOWED, tcp(f.own, f.router, 1000, 443)).in(no_lan);
        add("no-lan-gateway", "5", LK_GATEWAY, udp(f.own, f.gw_any, 1000, 2000)).in(no_lan);
        add("strict", "10", LK_LAN, udp(f.own, f.lan, 1000, 2000)).in(with([](World &w) {
            w.policy.strict = true;
        }));
        add("on-link-public", "12", LK_NOT_ALLOWED, udp(f.own_public, f.on_link, 1000, 2000));
        add("tunnel-prefix", "12", LK_NOT_ALLOWED, udp(f.own, f.resolver, 1000, 2000));
    }
    t.add("lan.broadcast", "10", LK_LAN, udp("192.168.1.10", "192.168.1.255", 1000, 2000));
    t.add("lan.public-broadcast", "12", LK_NOT_ALLOWED, udp("198.51.100.10", "198.51.100.255", 1000, 2000));
    prefixes(t);
    named(t);
    carved_out(t);
}

} // namespace lk
