// SPDX-License-Identifier: MIT
// Rows 11 and 12.
#include "cases/table.h"

namespace lk {

void rows_rest(Table &t) {
    static const World none = with([](World &w) { w.policy.no_multicast = true; });
    static const World names = with([](World &w) { w.policy.lan_names = true; });
    static const World both = with([](World &w) { w.policy.lan_names = w.policy.no_multicast = true; });
    static const World silent = with([](World &w) { w.policy.action = Action::drop; });
    for (const Family &f : families()) {
        const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                             const Packet &p) -> Spec & { return t.add(name + "." + f.tag, row, reason, p); };
        add("multicast.ssdp", "11", LK_MULTICAST, udp(f.own, f.ssdp, 1000, 1900));
        add("multicast.mdns", "11", LK_MULTICAST, udp(f.own, f.mdns, 5353, 5353));
        add("multicast.mdns-any-source-port", "11", LK_MULTICAST, udp(f.own, f.mdns, 40000, 5353));
        add("multicast.ssdp-wrong-port", "12", LK_NOT_ALLOWED, udp(f.own, f.ssdp, 1900, 1901));
        add("multicast.mdns-wrong-port", "12", LK_NOT_ALLOWED, udp(f.own, f.mdns, 5353, 5354));
        add("multicast.ssdp-to-mdns", "12", LK_NOT_ALLOWED, udp(f.own, f.mdns, 1000, 1900));
        add("multicast.mdns-to-ssdp", "12", LK_NOT_ALLOWED, udp(f.own, f.ssdp, 1000, 5353));
        add("multicast.tcp", "12", LK_NOT_ALLOWED, tcp(f.own, f.ssdp, 1000, 1900));
        add("multicast.udplite", "12", LK_NOT_ALLOWED, udp(f.own, f.mdns, 5353, 5353).proto(136));
        add("multicast.none-ssdp", "12", LK_NOT_ALLOWED, udp(f.own, f.ssdp, 1000, 1900)).in(none);
        add("multicast.none-mdns", "12", LK_NOT_ALLOWED, udp(f.own, f.mdns, 5353, 5353)).in(none);
        add("multicast.llmnr", "11", LK_MULTICAST, udp(f.own, f.llmnr, 1000, 5355)).in(names);
        add("multicast.llmnr-not-asked", "7.2", LK_DNS, udp(f.own, f.llmnr, 1000, 5355));
        add("multicast.llmnr-none", "12", LK_NOT_ALLOWED, udp(f.own, f.llmnr, 1000, 5355)).in(both);
        add("multicast.llmnr-tcp", "12", LK_NOT_ALLOWED, tcp(f.own, f.llmnr, 1000, 5355)).in(names);
        add("multicast.llmnr-group-mdns-port", "12", LK_NOT_ALLOWED, udp(f.own, f.llmnr, 5353, 5353))
            .in(names);
        add("multicast.no-lan", "11", LK_MULTICAST, udp(f.own, f.mdns, 5353, 5353)).in(with([](World &w) {
            w.policy.no_lan = true;
        }));
        add("multicast.any-source", "3", LK_SOURCE, udp(f.any, f.mdns, 5353, 5353));
        add("multicast.unicast", "12", LK_NOT_ALLOWED, udp(f.own, f.internet, 5353, 5353));
        add("multicast.unicast-lan", "10", LK_LAN, udp(f.own, f.lan, 5353, 5353));

        add("rest.udp", "12", LK_NOT_ALLOWED, udp(f.own, f.internet, 1000, 443));
        add("rest.tcp", "12", LK_NOT_ALLOWED, tcp(f.own, f.internet, 1000, 443));
        add("rest.established", "12", LK_NOT_ALLOWED,
            tcp(f.own, f.internet, 1000, 443, 10).patch(13, {0x18}));
        add("rest.reset", "12", LK_NOT_ALLOWED, tcp(f.own, f.internet, 1000, 443).patch(13, {0x04}));
        add("rest.echo", "12", LK_NOT_ALLOWED,
            f.tag == "v4" ? icmp(f.own, f.internet, 8) : icmp6(f.own, f.internet, 128));
        add("rest.unreachable", "12", LK_NOT_ALLOWED,
            f.tag == "v4" ? icmp(f.own, f.internet, 3, 36) : icmp6(f.own, f.internet, 1, 56));
        add("rest.esp", "12", LK_NOT_ALLOWED, other(f.own, f.internet, 50, 40));
        add("rest.gre", "12", LK_NOT_ALLOWED, other(f.own, f.internet, 47, 40));
        add("rest.sctp", "12", LK_NOT_ALLOWED, other(f.own, f.internet, 132, 40));
        add("rest.ipip", "12", LK_NOT_ALLOWED, other(f.own, f.internet, 4, 40));
        add("rest.silent", "12", LK_NOT_ALLOWED, tcp(f.own, f.internet, 1000, 443)).in(silent);
        add("rest.marked-not-strict", "12", LK_NOT_ALLOWED, tcp(f.own, f.internet, 1000, 443)).by(marked);
        add("rest.forwarded", "12", LK_NOT_ALLOWED, tcp(f.own, f.internet, 1000, 443)).by(forwarded);
        add("rest.any-destination", "12", LK_NOT_ALLOWED, udp(f.own, f.any, 1000, 443));
    }
    t.add("multicast.ssdp-site", "11", LK_MULTICAST, udp("fe80::10", "ff05::c", 1000, 1900));
    t.add("multicast.ssdp-organisation", "12", LK_NOT_ALLOWED, udp("fe80::10", "ff08::c", 1000, 1900));
    t.add("multicast.mdns-site", "12", LK_NOT_ALLOWED, udp("fe80::10", "ff05::fb", 5353, 5353));
    t.add("rest.broadcast", "12", LK_NOT_ALLOWED, udp("192.168.1.10", "255.255.255.255", 1000, 2000));
    t.add("rest.all-nodes", "12", LK_NOT_ALLOWED, icmp6("fe80::10", "ff02::1", 128));
    t.add("rest.all-hosts", "12", LK_NOT_ALLOWED, icmp("192.168.1.10", "224.0.0.1", 8));
    t.add("rest.loopback", "12", LK_NOT_ALLOWED, udp("192.168.1.10", "127.0.0.1", 1000, 2000));
    t.add("rest.loopback6", "12", LK_NOT_ALLOWED, udp("fd00:1::10", "::1", 1000, 2000));
    t.add("rest.teredo", "12", LK_NOT_ALLOWED, udp("192.168.1.10", "203.0.113.200", 3544, 3544));
}

} // namespace lk
