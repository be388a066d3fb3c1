// SPDX-License-Identifier: MIT
// Rows 4, 5 and 10: IPv6 destinations that stand for an IPv4 address are judged by both.
#include "cases/table.h"

namespace lk {

namespace {

World world(std::initializer_list<const char *> gateways, std::initializer_list<const char *> lan,
            std::initializer_list<const char *> nat64 = {}) {
    World w = laptop();
    w.policy.gateways.clear();
    for (const char *text : gateways)
        w.policy.gateways.push_back(*Gateway::parse(text));
    for (const char *text : lan)
        w.policy.lan.push_back(*Prefix::parse(text));
    for (const char *text : nat64)
        w.policy.nat64.push_back(*Prefix::parse(text));
    return w;
}

} // namespace

void rows_embedded(Table &t) {
    const std::string own = families()[1].own;
    // 2002:cb00:7107:: stands for 203.0.113.7, 64:ff9b::cb00:7107 too.
    struct {
        const char *tag, *seven, *eight, *entry, *half;
    } const sorts[] = {
        {"6to4", "2002:cb00:7107::1", "2002:cb00:7108::1", "2002::/16", "[2002::/16]:1194/udp"},
        {"nat64", "64:ff9b::cb00:7107", "64:ff9b::cb00:7108", "64:ff9b::/96", "[64:ff9b::/96]:1194/udp"},
    };
    for (const auto &[tag, seven, eight, entry, half] : sorts) {
        const std::string prefix = std::string("embedded.") + tag + ".";
        const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                             const Packet &p) -> Spec & { return t.add(prefix + name, row, reason, p); };
        const Packet to_seven = udp(own, seven, 1000, 1194), to_eight = udp(own, eight, 1000, 1194);
        add("both-gateways", "5", LK_GATEWAY, to_seven).in(world({entry, "203.0.113.7"}, {}));
        add("inner-no-gateway", "12", LK_NOT_ALLOWED, to_eight).in(world({entry, "203.0.113.7"}, {}));
        add("outer-no-gateway", "12", LK_NOT_ALLOWED, to_seven).in(world({"203.0.113.7"}, {}));
        add("inner-other-port", "12", LK_NOT_ALLOWED, to_seven).in(world({entry, "203.0.113.7:443"}, {}));
        add("inner-same-port", "5", LK_GATEWAY, to_seven).in(world({entry, "203.0.113.7:1194/udp"}, {}));
        add("outer-other-port", "12", LK_NOT_ALLOWED, udp(own, seven, 1000, 443))
            .in(world({half, "203.0.113.7"}, {}));
        add("inner-lan-only", "12", LK_NOT_ALLOWED, to_seven).in(world({entry}, {"203.0.113.0/24"}));
        add("both-lan", "10", LK_LAN, to_seven).in(world({}, {entry, "203.0.113.0/29"}));
        add("inner-not-lan", "12", LK_NOT_ALLOWED, to_eight).in(world({}, {entry, "203.0.113.0/29"}));
        add("outer-not-lan", "12", LK_NOT_ALLOWED, to_seven).in(world({}, {"203.0.113.0/29"}));
        add("lan-and-gateway", "12", LK_NOT_ALLOWED, to_seven).in(world({"203.0.113.7"}, {entry}));
        add("dns", "6.4", LK_DNS, udp(own, seven, 1000, 53))
            .in(world({entry, "203.0.113.7"}, {}))
            .rewritten();
        add("lan-853", "7.1", LK_DNS, udp(own, seven, 1000, 853)).in(world({}, {entry, "203.0.113.0/29"}));
        add("lan-853-inner-not", "12", LK_NOT_ALLOWED, udp(own, eight, 1000, 853))
            .in(world({}, {entry, "203.0.113.0/29"}));
        World strict = world({entry, "203.0.113.7"}, {});
        strict.policy.strict = true;
        add("strict-daemon", "4", LK_VPN_DAEMON, to_seven).in(strict).by(daemon_sender);
        add("strict-daemon-inner", "12", LK_NOT_ALLOWED, to_eight).in(strict).by(daemon_sender);
        World marking = world({half, "203.0.113.7:1194/udp", "203.0.113.8"}, {});
        marking.policy.strict = true;
        marking.policy.vpn_mark = Fwmark{0x51, 0xff};
        add("strict-mark", "5", LK_GATEWAY, to_seven).in(marking).by(marked);
        add("strict-mark-inner-unnamed", "12", LK_NOT_ALLOWED, to_eight).in(marking).by(marked);
        add("daemon", "4", LK_VPN_DAEMON, to_eight).by(daemon_sender);
    }
    const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                         const Packet &p) -> Spec & { return t.add("embedded." + name, row, reason, p); };
    const World nat64 =
        world({"203.0.113.7", "203.0.113.8:1194/udp", "203.0.113.128/26:500/udp", "2001:db8:9::7"}, {},
              {"2001:db8:64::/96", "64:ff9b::/96"});
    add("nat64-given.gateway", "5", LK_GATEWAY, udp(own, "2001:db8:64::203.0.113.7", 1, 2)).in(nat64);
    add("nat64-given.gateway-53", "6.4", LK_DNS, udp(own, "2001:db8:64::203.0.113.7", 1, 53))
        .in(nat64)
        .rewritten();
    add("nat64-given.port", "5", LK_GATEWAY, udp(own, "2001:db8:64::203.0.113.8", 1, 1194)).in(nat64);
    add("nat64-given.other-port", "12", LK_NOT_ALLOWED, udp(own, "2001:db8:64::203.0.113.8", 1, 1195))
        .in(nat64);
    add("nat64-given.prefix-last", "5", LK_GATEWAY, udp(own, "2001:db8:64::203.0.113.191", 1, 500)).in(nat64);
    add("nat64-given.prefix-beyond", "12", LK_NOT_ALLOWED, udp(own, "2001:db8:64::203.0.113.192", 1, 500))
        .in(nat64);
    add("nat64-given.other-prefix", "12", LK_NOT_ALLOWED, udp(own, "2001:db8:65::203.0.113.7", 1, 2))
        .in(nat64);
    add("nat64-given.well-known", "5", LK_GATEWAY, udp(own, "64:ff9b::203.0.113.7", 1, 2)).in(nat64);
    add("nat64-given.well-known-other", "12", LK_NOT_ALLOWED, udp(own, "64:ff9b::203.0.113.9", 1, 2))
        .in(nat64);
    add("nat64-given.ipv4-itself", "5", LK_GATEWAY, udp(families()[0].own, "203.0.113.7", 1, 2)).in(nat64);
    add("nat64-not-given", "12", LK_NOT_ALLOWED, udp(own, "64:ff9b::203.0.113.7", 1, 2));
    // Beside the two prefixes an address is only itself.
    const World beside = world({"64:ff9b:1::/48", "64:ff9b::1:0:0/96", "2001::/16", "2003::/16"}, {});
    add("beside.64-ff9b-1", "5", LK_GATEWAY, udp(own, "64:ff9b:1::203.0.113.7", 1, 2)).in(beside);
    add("beside.64-ff9b-0-1", "5", LK_GATEWAY, udp(own, "64:ff9b::1:203.0.113.7", 1, 2)).in(beside);
    add("beside.2001", "5", LK_GATEWAY, udp(own, "2001:cb00:7107::1", 1, 2)).in(beside);
    add("beside.2003", "5", LK_GATEWAY, udp(own, "2003:cb00:7107::1", 1, 2)).in(beside);
}

} // namespace lk
