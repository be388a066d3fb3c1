// SPDX-License-Identifier: MIT
// Row 9: the exact reverse of what came in for a service, and nothing beside it.
#include "cases/table.h"

namespace lk {

namespace {

constexpr std::uint8_t syn = 0x02, syn_ack = 0x12, ack = 0x10, rst = 0x04, fin_ack = 0x11;

Packet flagged(Packet p, std::uint8_t flags) {
    return p.patch(13, {flags});
}

World serving(void (*change)(World &) = [](World &) {}) {
    World world = laptop();
    for (const char *text : {"tcp/22", "udp/4433", "udp/53", "tcp/53", "tcp/8443@203.0.113.0/24",
                             "tcp/8443@2001:db8:ffff::/48", "tcp/9001@::/0", "tcp/9002@0.0.0.0/0"})
        world.policy.services.push_back(ServedPort::parse(text).value());
    change(world);
    return world;
}

} // namespace

void rows_served(Table &t) {
    static const World open = serving(), closed = laptop(),
                       no_lan = serving([](World &w) { w.policy.no_lan = true; }),
                       strict = serving([](World &w) { w.policy.strict = true; });
    for (const Family &f : families()) {
        const bool v4 = f.tag == "v4";
        const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                             const Packet &p) -> Spec & {
            return t.add("served." + name + "." + f.tag, row, reason, p).in(open);
        };
        const Packet asks = flagged(tcp(f.internet, f.own, 50000, 22), syn),
                     answer = flagged(tcp(f.own, f.internet, 22, 50000), syn_ack),
                     data = flagged(tcp(f.own, f.internet, 22, 50000, 40), ack),
                     query = udp(f.internet, f.own, 50000, 4433), reply = udp(f.own, f.internet, 4433, 50000);
        add("syn-ack", "9", LK_SERVED, answer).came(asks);
        add("data", "9", LK_SERVED, data).came(asks);
        add("reset", "9", LK_SERVED, flagged(tcp(f.own, f.internet, 22, 50000), rst)).came(asks);
        add("fin", "9", LK_SERVED, flagged(tcp(f.own, f.internet, 22, 50000), fin_ack)).came(asks);
        add("udp", "9", LK_SERVED, reply).came(query);
        add("udp-first-fragment", "9", LK_SERVED, udp(f.own, f.internet, 4433, 50000, 64).first(9))
            .came(query);
        add("udp-tail", "F", LK_SERVED, udp(f.own, f.internet, 4433, 50000, 64).tail(9))
            .after(udp(f.own, f.internet, 4433, 50000, 64).first(9))
            .came(query);
        add("forwarded", "9", LK_SERVED, data).came(asks).by(forwarded);
        add("public-own", "9", LK_SERVED, flagged(tcp(f.own_public, f.internet, 22, 50000), syn_ack))
            .came(flagged(tcp(f.internet, f.own_public, 50000, 22), syn));
        add("lan", "9", LK_SERVED, flagged(tcp(f.own, f.lan, 22, 50000), syn_ack))
            .came(flagged(tcp(f.lan, f.own, 50000, 22), syn));
        add("no-lan", "9", LK_SERVED, flagged(tcp(f.own, f.lan, 22, 50000), syn_ack))
            .in(no_lan)
            .came(flagged(tcp(f.lan, f.own, 50000, 22), syn));
        add("strict", "9", LK_SERVED, answer).in(strict).came(asks);
        add("syn-with-more-flags", "9", LK_SERVED, answer)
            .came(flagged(tcp(f.internet, f.own, 50000, 22), 0xc2));
        add("dns-from-53", "9", LK_SERVED, udp(f.own, f.internet, 53, 50000))
            .came(udp(f.internet, f.own, 50000, 53));
        const std::string inside = v4 ? "203.0.113.200" : "2001:db8:ffff::1",
                          outside = v4 ? "192.0.2.1" : "2001:db8:fffe::1";
        add("inside-cidr", "9", LK_SERVED, flagged(tcp(f.own, inside, 8443, 50000), syn_ack))
            .came(flagged(tcp(inside, f.own, 50000, 8443), syn));

        // Rows before it.
        add("daemon", "4", LK_VPN_DAEMON, answer).came(asks).by(daemon_sender);
        add("gateway", "5", LK_GATEWAY, flagged(tcp(f.own, f.gw_any, 22, 50000), syn_ack))
            .came(flagged(tcp(f.gw_any, f.own, 50000, 22), syn));
        add("to-53", "6.4", LK_DNS, udp(f.own, f.internet, 4433, 53))
            .came(udp(f.internet, f.own, 53, 4433))
            .rewritten();
        add("to-llmnr", "7.2", LK_DNS, udp(f.own, f.internet, 4433, 5355))
            .came(udp(f.internet, f.own, 5355, 4433));
        add("foreign-source", "3", LK_SOURCE, flagged(tcp(f.stranger, f.internet, 22, 50000), syn_ack))
            .came(flagged(tcp(f.internet, f.stranger, 50000, 22), syn));

        // What is no answer.
        add("nobody-asked", "12", LK_NOT_ALLOWED, answer);
        add("nobody-asked-udp", "12", LK_NOT_ALLOWED, reply);
        add("not-served", "12", LK_NOT_ALLOWED, answer).in(closed).came(asks);
        add("connects-out", "12", LK_NOT_ALLOWED, flagged(tcp(f.own, f.internet, 22, 50000), syn)).came(asks);
        add("other-remote-port", "12", LK_NOT_ALLOWED, flagged(tcp(f.own, f.internet, 22, 50001), syn_ack))
            .came(asks);
        add("other-remote", "12", LK_NOT_ALLOWED, flagged(tcp(f.own, outside, 22, 50000), syn_ack))
            .came(asks);
        add("other-own", "12", LK_NOT_ALLOWED, flagged(tcp(f.own_public, f.internet, 22, 50000), syn_ack))
            .came(asks);
        add("other-port", "12", LK_NOT_ALLOWED, flagged(tcp(f.own, f.internet, 23, 50000), syn_ack))
            .came(asks);
        add("other-port-asked", "12", LK_NOT_ALLOWED, flagged(tcp(f.own, f.internet, 23, 50000), syn_ack))
            .came(flagged(tcp(f.internet, f.own, 50000, 23), syn));
        add("udp-for-tcp", "12", LK_NOT_ALLOWED, udp(f.own, f.internet, 22, 50000)).came(asks);
        add("tcp-asked-by-udp", "12", LK_NOT_ALLOWED, answer).came(udp(f.internet, f.own, 50000, 22));
        add("forged-ack", "12", LK_NOT_ALLOWED, data).came(flagged(tcp(f.internet, f.own, 50000, 22), ack));
        add("forged-syn-ack", "12", LK_NOT_ALLOWED, data)
            .came(flagged(tcp(f.internet, f.own, 50000, 22), syn_ack));
        add("syn-reset", "12", LK_NOT_ALLOWED, data)
            .came(flagged(tcp(f.internet, f.own, 50000, 22), syn | rst));
        add("syn-fin", "12", LK_NOT_ALLOWED, data).came(flagged(tcp(f.internet, f.own, 50000, 22), syn | 1));
        add("outside-cidr", "12", LK_NOT_ALLOWED, flagged(tcp(f.own, outside, 8443, 50000), syn_ack))
            .came(flagged(tcp(outside, f.own, 50000, 8443), syn));
        add("family-6-alone", v4 ? "12" : "9", v4 ? LK_NOT_ALLOWED : LK_SERVED,
            flagged(tcp(f.own, f.internet, 9001, 50000), syn_ack))
            .came(flagged(tcp(f.internet, f.own, 50000, 9001), syn));
        add("family-4-alone", v4 ? "9" : "12", v4 ? LK_SERVED : LK_NOT_ALLOWED,
            flagged(tcp(f.own, f.internet, 9002, 50000), syn_ack))
            .came(flagged(tcp(f.internet, f.own, 50000, 9002), syn));
        add("to-another", "12", LK_NOT_ALLOWED, answer).came(flagged(tcp(f.internet, f.lan, 50000, 22), syn));
        add("asked-in-parts", "12", LK_NOT_ALLOWED, reply)
            .came(udp(f.internet, f.own, 50000, 4433, 64).first(9));
        add("cut-short", "12", LK_NOT_ALLOWED, answer).came(Packet(asks).cut(v4 ? 30 : 50));
        add("icmp", "12", LK_NOT_ALLOWED,
            v4 ? icmp(f.own, f.internet, 3, 36) : icmp6(f.own, f.internet, 1, 56))
            .came(asks);
    }
    t.add("served.broadcast-asks", "12", LK_NOT_ALLOWED, udp("192.168.1.10", "255.255.255.255", 4433, 2000))
        .in(open)
        .came(udp("255.255.255.255", "192.168.1.10", 2000, 4433));
    t.add("served.group-asks", "12", LK_NOT_ALLOWED, udp("192.168.1.10", "224.0.0.9", 4433, 2000))
        .in(open)
        .came(udp("224.0.0.9", "192.168.1.10", 2000, 4433));
    t.add("served.group6-asks", "12", LK_NOT_ALLOWED, udp("fd00:1::10", "ff02::9", 4433, 2000))
        .in(open)
        .came(udp("ff02::9", "fd00:1::10", 2000, 4433));
    t.add("served.own-asks", "12", LK_NOT_ALLOWED, udp("192.168.1.10", "198.51.100.10", 4433, 2000))
        .in(open)
        .came(udp("198.51.100.10", "192.168.1.10", 2000, 4433));
}

} // namespace lk
