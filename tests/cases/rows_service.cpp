// SPDX-License-Identifier: MIT
// Row 8: DHCP, router solicitations, and the reports of multicast groups.
#include "cases/table.h"

namespace lk {

namespace {

const World &no_lan() {
    static const World world = with([](World &w) { w.policy.no_lan = true; });
    return world;
}

void dhcp4(Table &t) {
    const std::string own = "192.168.1.10", any = "0.0.0.0", all = "255.255.255.255";
    const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                         const Packet &p) -> Spec & { return t.add("dhcp4." + name, row, reason, p); };
    add("discover", "8.1", LK_LINK, udp(any, all, 68, 67, 300));
    add("rebind", "8.1", LK_LINK, udp(own, all, 68, 67, 300));
    add("renew", "8.1", LK_LINK, udp(own, "192.168.1.1", 68, 67, 300));
    add("renew-no-lan", "8.1", LK_LINK, udp(own, "192.168.1.1", 68, 67, 300)).in(no_lan());
    add("lan-broadcast", "8.1", LK_LINK, udp(own, "192.168.1.255", 68, 67, 300));
    add("any-to-lan", "3", LK_SOURCE, udp(any, "192.168.1.1", 68, 67, 300));
    add("stranger-source", "3", LK_SOURCE, udp("203.0.113.99", all, 68, 67, 300));
    add("internet", "12", LK_NOT_ALLOWED, udp(own, "203.0.113.200", 68, 67, 300));
    add("on-link-public", "12", LK_NOT_ALLOWED, udp("198.51.100.10", "198.51.100.1", 68, 67, 300));
    add("any-internet", "3", LK_SOURCE, udp(any, "203.0.113.200", 68, 67, 300));
    add("any-wrong-source-port", "3", LK_SOURCE, udp(any, all, 69, 67, 300));
    add("any-wrong-port", "3", LK_SOURCE, udp(any, all, 68, 68, 300));
    add("server-to-client", "12", LK_NOT_ALLOWED, udp(own, all, 67, 68, 300));
    add("wrong-source-port", "12", LK_NOT_ALLOWED, udp(own, all, 67, 67, 300));
    add("tcp", "12", LK_NOT_ALLOWED, tcp(own, all, 68, 67));
    add("first", "12", LK_NOT_ALLOWED, udp(own, all, 68, 67, 300).first(1));
    add("any-first", "3", LK_SOURCE, udp(any, all, 68, 67, 300).first(1));
    add("forwarded", "8.1", LK_LINK, udp(any, all, 68, 67, 300)).by(forwarded);
    add("daemon", "4", LK_VPN_DAEMON, udp(any, all, 68, 67, 300)).by(daemon_sender);
    add("strict", "8.1", LK_LINK, udp(any, all, 68, 67, 300)).in(with([](World &w) {
        w.policy.strict = true;
    }));
    add("no-addresses", "8.1", LK_LINK, udp(any, all, 68, 67, 300)).in(with([](World &w) { w.own.clear(); }));
    add("broadcast-other-port", "12", LK_NOT_ALLOWED, udp(own, all, 68, 66, 300));
}

void dhcp6(Table &t) {
    const std::string own = "fe80::10", global = "2001:db8:1::10", servers = "ff02::1:2";
    const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                         const Packet &p) -> Spec & { return t.add("dhcp6." + name, row, reason, p); };
    add("solicit", "8.2", LK_LINK, udp(own, servers, 546, 547, 60));
    add("from-global", "8.2", LK_LINK, udp(global, servers, 546, 547, 60));
    add("unicast", "8.2", LK_LINK, udp(own, "fe80::1", 546, 547, 60));
    add("unicast-no-lan", "8.2", LK_LINK, udp(own, "fe80::1", 546, 547, 60)).in(no_lan());
    add("fe80-0-1", "12", LK_NOT_ALLOWED, udp(own, "fe80:0:0:1::1", 546, 547, 60));
    add("from-any", "3", LK_SOURCE, udp("::", servers, 546, 547, 60));
    add("site-servers", "12", LK_NOT_ALLOWED, udp(own, "ff05::1:3", 546, 547, 60));
    add("ula-server", "10", LK_LAN, udp("fd00:1::10", "fd00:1::1", 546, 547, 60));
    add("global-server", "12", LK_NOT_ALLOWED, udp(global, "2001:db8:1::20", 546, 547, 60));
    add("swapped", "12", LK_NOT_ALLOWED, udp(own, servers, 547, 546, 60));
    add("wrong-source-port", "12", LK_NOT_ALLOWED, udp(own, servers, 545, 547, 60));
    add("tcp", "12", LK_NOT_ALLOWED, tcp(own, servers, 546, 547));
    add("first", "12", LK_NOT_ALLOWED, udp(own, servers, 546, 547, 60).first(1));
    add("atomic", "8.2", LK_LINK, udp(own, servers, 546, 547, 60).atomic(1));
    add("v4-ports", "12", LK_NOT_ALLOWED, udp(own, servers, 68, 67, 60));
}

void router_solicitation(Table &t) {
    const auto rs = [](const char *from, const char *to) { return icmp6(from, to, 133, 8).hops(255); };
    const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                         const Packet &p) -> Spec & { return t.add("rs." + name, row, reason, p); };
    add("own", "8.3", LK_LINK, rs("fe80::10", "ff02::2"));
    add("any", "8.3", LK_LINK, rs("::", "ff02::2"));
    add("global", "8.3", LK_LINK, rs("2001:db8:1::10", "ff02::2"));
    add("hop-254", "12", LK_NOT_ALLOWED, rs("fe80::10", "ff02::2").hops(254));
    add("any-hop-254", "3", LK_SOURCE, rs("::", "ff02::2").hops(254));
    add("all-nodes", "12", LK_NOT_ALLOWED, rs("fe80::10", "ff02::1"));
    add("any-all-nodes", "3", LK_SOURCE, rs("::", "ff02::1"));
    add("site-routers", "12", LK_NOT_ALLOWED, rs("fe80::10", "ff05::2"));
    add("unicast", "10", LK_LAN, rs("fe80::10", "fe80::1"));
    add("first", "12", LK_NOT_ALLOWED, rs("fe80::10", "ff02::2").first(1));
    add("any-first", "3", LK_SOURCE, rs("::", "ff02::2").first(1));
    add("atomic", "8.3", LK_LINK, rs("fe80::10", "ff02::2").atomic(1));
    add("hop-by-hop", "8.3", LK_LINK, rs("fe80::10", "ff02::2").with_before({{0, 8, {}}}));
    add("stranger", "3", LK_SOURCE, rs("fe80::11", "ff02::2"));
    add("advertisement", "12", LK_NOT_ALLOWED, icmp6("fe80::10", "ff02::1", 134, 16).hops(255));
    add("redirect", "12", LK_NOT_ALLOWED, icmp6("fe80::10", "ff02::1", 137, 40).hops(255));
    add("no-lan", "8.3", LK_LINK, rs("fe80::10", "ff02::2")).in(no_lan());
    add("echo-all-routers", "12", LK_NOT_ALLOWED, icmp6("fe80::10", "ff02::2", 128, 8).hops(255));
}

void reports(Table &t) {
    const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                         const Packet &p) -> Spec & { return t.add(name, row, reason, p); };
    const std::string own = "192.168.1.10";
    add("igmp.v3", "8.6", LK_LINK, igmp(own, "224.0.0.22").patch(0, {0x22}));
    add("igmp.group", "8.6", LK_LINK, igmp(own, "239.255.255.250"));
    add("igmp.any", "8.6", LK_LINK, igmp("0.0.0.0", "224.0.0.22"));
    add("igmp.last-group", "8.6", LK_LINK, igmp(own, "239.255.255.255"));
    add("igmp.below-groups", "12", LK_NOT_ALLOWED, igmp(own, "223.255.255.255"));
    add("igmp.above-groups", "12", LK_NOT_ALLOWED, igmp(own, "240.0.0.0"));
    add("igmp.ttl-2", "12", LK_NOT_ALLOWED, igmp(own, "224.0.0.22").hops(2));
    add("igmp.ttl-0", "12", LK_NOT_ALLOWED, igmp(own, "224.0.0.22").hops(0));
    add("igmp.any-ttl-2", "3", LK_SOURCE, igmp("0.0.0.0", "224.0.0.22").hops(2));
    add("igmp.any-unicast", "3", LK_SOURCE, igmp("0.0.0.0", "192.168.1.1"));
    add("igmp.first", "12", LK_NOT_ALLOWED, igmp(own, "224.0.0.22").first(1));
    add("igmp.unicast-lan", "10", LK_LAN, igmp(own, "192.168.1.1"));
    add("igmp.stranger", "3", LK_SOURCE, igmp("192.168.1.11", "224.0.0.22"));
    add("igmp.no-multicast", "8.6", LK_LINK, igmp(own, "224.0.0.22")).in(with([](World &w) {
        w.policy.no_multicast = true;
    }));
    for (const std::uint8_t type : {131, 132, 143}) {
        const std::string name = "mld." + std::to_string(type);
        add(name, "8.7", LK_LINK, mld(type, "fe80::10", "ff02::16"));
        add(name + "-any", "8.7", LK_LINK, mld(type, "::", "ff02::16"));
        add(name + "-global", "12", LK_NOT_ALLOWED, mld(type, "2001:db8:1::10", "ff02::16"));
        add(name + "-hop-2", "12", LK_NOT_ALLOWED, mld(type, "fe80::10", "ff02::16").hops(2));
        add(name + "-any-hop-2", "3", LK_SOURCE, mld(type, "::", "ff02::16").hops(2));
        add(name + "-router-alert", "8.7", LK_LINK,
            mld(type, "fe80::10", "ff02::16").with_before({{0, 8, {}}}));
        add(name + "-first", "12", LK_NOT_ALLOWED, mld(type, "fe80::10", "ff02::16").first(1));
        add(name + "-unicast", "10", LK_LAN, mld(type, "fe80::10", "fe80::1"));
        add(name + "-any-unicast", "3", LK_SOURCE, mld(type, "::", "fe80::1"));
        add(name + "-stranger", "3", LK_SOURCE, mld(type, "fe80::11", "ff02::16"));
    }
    add("mld.global-group", "8.7", LK_LINK, mld(143, "fe80::10", "ff0e::1234"));
    add("mld.query", "12", LK_NOT_ALLOWED, mld(130, "fe80::10", "ff02::1"));
    add("mld.any-query", "3", LK_SOURCE, mld(130, "::", "ff02::1"));
    add("mld.type-144", "12", LK_NOT_ALLOWED, mld(144, "fe80::10", "ff02::16"));
    add("mld.far-link-local", "8.7", LK_LINK, mld(143, "febf::10", "ff02::16")).in(with([](World &w) {
        w.own.push_back({*Address::parse("febf::10"), 64});
    }));
    add("mld.beyond-link-local", "12", LK_NOT_ALLOWED, mld(143, "fec0::10", "ff02::16"))
        .in(with([](World &w) {
            w.own.push_back({*Address::parse("fec0::10"), 64});
        }));
}

} // namespace

void rows_service(Table &t) {
    dhcp4(t);
    dhcp6(t);
    router_solicitation(t);
    reports(t);
}

} // namespace lk
