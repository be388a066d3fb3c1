// SPDX-License-Identifier: MIT
// Row 2: IPv4 headers.
#include "cases/table.h"

namespace lk {

void rows_malformed_v4(Table &t) {
    const Family &f = families()[0];
    const Packet good = udp(f.own, f.lan, 1000, 2000); // 44 bytes
    const auto bad = [&](const char *name, const Packet &p) -> Spec & {
        return t.add(std::string("ipv4.") + name, "2", LK_MALFORMED, p);
    };
    const auto fine = [&](const char *name, const Packet &p) -> Spec & {
        return t.add(std::string("ipv4.") + name, "10", LK_LAN, p);
    };
    fine("right", good);
    for (const std::size_t left : {1, 8, 19, 20, 27, 43})
        bad(("cut-to-" + std::to_string(left)).c_str(), good.cut(left));
    bad("cut-to-0", good.cut(0)).only(On::ethernet);
    fine("padding", good.pad(20));
    fine("reserved-bit", [&] {
        Packet p = good;
        p.reserved_bit = true;
        return p;
    }());
    fine("dont-fragment", [&] {
        Packet p = good;
        p.dont_fragment = true;
        return p;
    }());

    // On an Ethernet device the type says IPv4, so the version can be wrong.
    Packet p = good;
    p.version = 6;
    bad("version-6", p).only(On::ethernet);
    p.version = 5;
    bad("version-5", p).only(On::ethernet);

    p = good;
    p.header_words = 4;
    bad("header-16-bytes", p);
    p.header_words = 0;
    bad("header-0-bytes", p);
    p.header_words = 12;
    bad("header-beyond-frame", p);
    p.header_words = 11;
    bad("header-is-whole-frame", p);

    bad("total-0", good.with_length(0));
    bad("total-below-header", good.with_length(19));
    bad("total-is-header", good.with_length(20)); // UDP does not fit
    t.add("ipv4.total-is-header-no-upper", "10", LK_LAN, other(f.own, f.lan, 200, 0));
    bad("total-beyond-frame", good.with_length(45));
    bad("total-65535", good.with_length(65535));
    bad("total-shorter-than-udp", good.with_length(43));
    fine("total-is-frame", good.with_length(44));

    bad("option-nop", good.with_options({1, 1, 1, 0}));
    bad("option-router-alert-udp", good.with_options({0x94, 4, 0, 0}));
    bad("option-source-route", good.with_options({0x83, 3, 4, 0}));
    const Packet report = igmp(f.own, "224.0.0.22");
    t.add("ipv4.igmp-router-alert", "8.6", LK_LINK, report.with_options({0x94, 4, 0, 0}));
    t.add("ipv4.igmp-no-option", "8.6", LK_LINK, report);
    bad("igmp-router-alert-value", report.with_options({0x94, 4, 0, 1}));
    bad("igmp-router-alert-length", report.with_options({0x94, 3, 0, 0}));
    bad("igmp-option-nop", report.with_options({1, 1, 1, 1}));
    bad("igmp-two-options", report.with_options({0x94, 4, 0, 0, 0x94, 4, 0, 0}));
    bad("igmp-alert-then-end", report.with_options({0x94, 4, 0, 0, 0, 0, 0, 0}));
    bad("option-in-tail", good.with_options({1, 1, 1, 0}).tail(9));
    bad("daemon", good.cut(30)).by(daemon_sender);
    bad("gateway", udp(f.own, f.gw_any, 1000, 1194).cut(30));

    // BIG TCP: a total length of zero means the rest of a frame of more than 65,535 bytes.
    const auto big = [&](std::size_t packet_bytes) {
        return tcp(f.own, f.lan, 1000, 2000, packet_bytes - 40).with_length(0);
    };
    fine("big-tcp-65536", big(65536));
    bad("big-tcp-65535", big(65535));
    bad("big-tcp-length-not-0", tcp(f.own, f.lan, 1000, 2000, 70000).with_length(30));
}

} // namespace lk
