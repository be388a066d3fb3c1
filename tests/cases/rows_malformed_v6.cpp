// SPDX-License-Identifier: MIT
// Row 2: IPv6 headers and their extensions.
#include "cases/table.h"

namespace lk {

namespace {

constexpr Extension hop_by_hop{0, 8, {}}, destination{60, 8, {}}, ah{51, 12, {}};

std::vector<Extension> times(std::size_t n, const Extension &header) {
    return std::vector<Extension>(n, header);
}

} // namespace

void rows_malformed_v6(Table &t) {
    const Family &f = families()[1];
    const Packet good = udp(f.own, f.lan, 1000, 2000); // 40 + 24 bytes
    const auto bad = [&](const std::string &name, const Packet &p) -> Spec & {
        return t.add("ipv6." + name, "2", LK_MALFORMED, p);
    };
    const auto fine = [&](const std::string &name, const Packet &p) -> Spec & {
        return t.add("ipv6." + name, "10", LK_LAN, p);
    };
    fine("right", good);
    for (const std::size_t left : {1, 39, 40, 47, 63})
        bad("cut-to-" + std::to_string(left), good.cut(left));
    bad("cut-to-0", good.cut(0)).only(On::ethernet);
    fine("padding", good.pad(20));
    Packet p = good;
    p.version = 4;
    bad("version-4", p).only(On::ethernet);
    p.version = 0;
    bad("version-0", p).only(On::ethernet);
    bad("payload-beyond-frame", good.with_length(25));
    bad("payload-65535", good.with_length(65535));
    bad("payload-0", good.with_length(0));
    fine("payload-0-no-next-header", other(f.own, f.lan, 59, 0));
    bad("payload-shorter-than-udp", good.with_length(23));
    fine("no-next-header", other(f.own, f.lan, 59, 8));

    bad("mapped-source", udp("::ffff:192.168.1.10", f.lan, 1000, 2000));
    bad("mapped-destination", udp(f.own, "::ffff:192.168.1.20", 1000, 2000));
    bad("mapped-gateway", udp(f.own, "::ffff:203.0.113.7", 1000, 2000));
    bad("mapped-daemon", udp(f.own, "::ffff:203.0.113.7", 1000, 2000)).by(daemon_sender);
    bad("mapped-any", udp(f.own, "::ffff:0.0.0.0", 1000, 2000));
    bad("mapped-end", udp(f.own, "::ffff:255.255.255.255", 1000, 2000));
    t.add("ipv6.compatible-destination", "12", LK_NOT_ALLOWED, udp(f.own, "::192.168.1.20", 1000, 2000));
    t.add("ipv6.beside-mapped", "12", LK_NOT_ALLOWED, udp(f.own, "::fffe:192.168.1.20", 1000, 2000));

    fine("hop-by-hop", good.with_before({hop_by_hop}));
    fine("destination-options", good.with_before({destination}));
    fine("ah", good.with_before({ah}));
    fine("hop-by-hop-and-all", good.with_before({hop_by_hop, destination, ah, destination}).atomic(1));
    fine("atomic-fragment", good.atomic(1));
    fine("eight-headers", good.with_before(times(8, destination)));
    bad("nine-headers", good.with_before(times(9, destination)));
    fine("eight-with-fragment",
         good.with_before(times(4, destination)).atomic(1).with_after(times(3, destination)));
    bad("nine-with-fragment",
        good.with_before(times(4, destination)).atomic(1).with_after(times(4, destination)));
    bad("nine-fragment-last", good.with_before(times(8, destination)).tail(1));
    bad("nine-tail-daemon", good.with_before(times(8, destination)).tail(1)).by(daemon_sender);
    fine("512-bytes", good.with_before({{60, 256, {}}, {60, 256, {}}}));
    bad("520-bytes", good.with_before({{60, 256, {}}, {60, 264, {}}}));
    bad("512-and-fragment", good.with_before({{60, 256, {}}, {60, 256, {}}}).atomic(1));
    fine("504-and-fragment", good.with_before({{60, 256, {}}, {60, 248, {}}}).atomic(1));
    bad("one-of-2048", good.with_before({{60, 2048, {}}}));
    fine("ah-512", good.with_before({{51, 512, {}}}));
    bad("ah-516", good.with_before({{51, 516, {}}}));
    fine("ah-8-bytes", good.with_before({{51, 8, {}}}));
    bad("hop-by-hop-second", good.with_before({destination, hop_by_hop}));
    bad("hop-by-hop-twice", good.with_before({hop_by_hop, hop_by_hop}));
    bad("hop-by-hop-after-fragment", good.atomic(1).with_after({hop_by_hop}));
    p = good.atomic(1);
    p.second_fragment_header = true;
    bad("two-fragment-headers", p);
    bad("two-fragment-headers-apart", good.atomic(1).with_after({destination, {44, 8, {}}}));
    for (const std::uint8_t type : {43, 135, 139, 140, 253, 254}) {
        const std::string n = std::to_string(type);
        bad("header-" + n, good.with_before({{type, 8, {}}}));
        bad("header-" + n + "-late", good.with_before({hop_by_hop, destination, {type, 8, {}}}));
        bad("header-" + n + "-last", other(f.own, f.lan, type, 8));
        bad("header-" + n + "-atomic", good.atomic(1).with_after({{type, 8, {}}}));
        bad("header-" + n + "-gateway", udp(f.own, f.gw_any, 1, 2).with_before({{type, 8, {}}}));
    }
    for (const std::uint8_t type : {42, 45, 61, 134, 138, 141, 252, 255})
        fine("protocol-" + std::to_string(type), other(f.own, f.lan, type, 8));
    bad("options-beyond-payload", good.with_before({{60, 8, 3}}));
    fine("options-to-the-end", other(f.own, f.lan, 59, 0).with_before({{60, 32, {}}}));
    bad("options-past-the-end", other(f.own, f.lan, 59, 0).with_before({{60, 32, 4}}));
    bad("ah-past-the-end", other(f.own, f.lan, 59, 0).with_before({{51, 32, 7}}));
    fine("ah-to-the-end", other(f.own, f.lan, 59, 0).with_before({{51, 32, 6}}));
    bad("options-of-4-bytes", other(f.own, f.lan, 60, 4));
    bad("options-of-0-bytes", other(f.own, f.lan, 60, 0));
    bad("ah-of-7-bytes", other(f.own, f.lan, 51, 7));
    bad("fragment-of-7-bytes", other(f.own, f.lan, 44, 7));
    // What follows in a tail is data, whatever the fragment header calls it.
    t.add("ipv6.routing-in-tail", "F", LK_FRAGMENT, other(f.own, f.lan, 43, 8).tail(1));
    t.add("ipv6.options-in-tail", "F", LK_FRAGMENT, other(f.own, f.lan, 60, 1).tail(1));
    bad("routing-before-tail", good.with_before({{43, 8, {}}}).tail(1));

    const auto big = [&](std::size_t packet_bytes) {
        return tcp(f.own, f.lan, 1000, 2000, packet_bytes - 60).with_length(0);
    };
    fine("big-tcp-65576", big(65576));
    bad("big-tcp-65575", big(65575));
}

} // namespace lk
