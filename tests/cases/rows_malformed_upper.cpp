// SPDX-License-Identifier: MIT
// Row 2: what stands above IP.
#include "cases/table.h"

namespace lk {

namespace {

// A protocol of which so many bytes must be there.
struct Least {
    const char *name;
    std::uint8_t protocol;
    std::size_t bytes;
};

void least_bytes(Table &t, const Family &f) {
    for (const Least &l :
         {Least{"udplite", 136, 8}, Least{"sctp", 132, 8}, Least{"dccp", 33, 8}, Least{"igmp", 2, 8}}) {
        const std::string name = std::string("least.") + l.name;
        t.add(name + "." + f.tag, "10", LK_LAN, other(f.own, f.lan, l.protocol, l.bytes));
        t.add(name + "-short." + f.tag, "2", LK_MALFORMED, other(f.own, f.lan, l.protocol, l.bytes - 1));
        t.add(name + "-none." + f.tag, "2", LK_MALFORMED, other(f.own, f.lan, l.protocol, 0));
        t.add(name + "-short-tail." + f.tag, "F", LK_FRAGMENT,
              other(f.own, f.lan, l.protocol, l.bytes - 1).tail(3));
        t.add(name + "-short-first." + f.tag, "2", LK_MALFORMED,
              other(f.own, f.lan, l.protocol, l.bytes - 1).first(3));
    }
    for (const std::uint8_t protocol : {4, 41, 47, 50, 94, 115})
        t.add("unread." + std::to_string(protocol) + "." + f.tag, "10", LK_LAN,
              other(f.own, f.lan, protocol, 1));
}

} // namespace

void rows_malformed_upper(Table &t) {
    for (const Family &f : families()) {
        const auto bad = [&](const std::string &name, const Packet &p) {
            t.add(name + "." + f.tag, "2", LK_MALFORMED, p);
        };
        const auto fine = [&](const std::string &name, const Packet &p) {
            t.add(name + "." + f.tag, "10", LK_LAN, p);
        };
        const Packet u = udp(f.own, f.lan, 1000, 2000), s = tcp(f.own, f.lan, 1000, 2000);
        fine("tcp.20-bytes", s);
        bad("tcp.19-bytes", s.payload_cut(19));
        bad("tcp.0-bytes", s.payload_cut(0));
        bad("tcp.first-19-bytes", s.payload_cut(19).first(5));
        bad("tcp.first-8-bytes", s.payload_cut(8).first(5));
        fine("tcp.first-20-bytes", s.first(5));
        bad("tcp.offset-4", s.patch(12, {0x40}));
        bad("tcp.offset-0", s.patch(12, {0x00}));
        bad("tcp.offset-beyond", s.patch(12, {0x60}));
        fine("tcp.offset-all", tcp(f.own, f.lan, 1000, 2000, 4).patch(12, {0x60}));
        fine("tcp.offset-15", tcp(f.own, f.lan, 1000, 2000, 40).patch(12, {0xf0}));
        bad("tcp.offset-15-beyond", tcp(f.own, f.lan, 1000, 2000, 39).patch(12, {0xf0}));
        bad("tcp.first-offset-beyond", tcp(f.own, f.lan, 1000, 2000, 39).patch(12, {0xf0}).first(5));
        fine("udp.8-bytes", udp(f.own, f.lan, 1000, 2000, 0));
        bad("udp.7-bytes", u.payload_cut(7));
        bad("udp.0-bytes", u.payload_cut(0));
        bad("udp.length-7", u.patch(4, {0, 7}));
        bad("udp.length-0", u.patch(4, {0, 0}));
        fine("udp.length-8", u.patch(4, {0, 8}));
        fine("udp.length-below-payload", u.patch(4, {0, 23}));
        bad("udp.length-beyond", u.patch(4, {0, 25}));
        fine("udp.first-length-beyond", u.patch(4, {0x10, 0}).first(5));
        bad("udp.first-length-7", u.patch(4, {0, 7}).first(5));
        bad("udp.first-7-bytes", u.payload_cut(7).first(5));
        bad("udp.length-counts-padding", u.patch(4, {0, 28}).pad(4));
        least_bytes(t, f);
    }
    const Family &v4 = families()[0], &v6 = families()[1];
    t.add("icmp.8-bytes", "10", LK_LAN, icmp(v4.own, v4.lan, 8, 8));
    t.add("icmp.7-bytes", "2", LK_MALFORMED, icmp(v4.own, v4.lan, 8, 7));
    t.add("icmp.in-ipv6-unread", "10", LK_LAN, icmp(v6.own, v6.lan, 8, 7));
    t.add("icmp6.8-bytes", "10", LK_LAN, icmp6(v6.own, v6.lan, 128, 8));
    t.add("icmp6.7-bytes", "2", LK_MALFORMED, icmp6(v6.own, v6.lan, 128, 7));
    t.add("icmp6.in-ipv4-unread", "10", LK_LAN, icmp6(v4.own, v4.lan, 135, 7));
    struct {
        std::uint8_t type;
        std::size_t bytes;
    } const discovery[] = {{133, 8}, {134, 16}, {135, 24}, {136, 24}, {137, 8}};
    for (const auto &d : discovery) {
        const std::string name = "icmp6.type-" + std::to_string(d.type);
        t.add(name, "10", LK_LAN, icmp6(v6.own, v6.lan, d.type, d.bytes));
        t.add(name + "-short", "2", LK_MALFORMED, icmp6(v6.own, v6.lan, d.type, d.bytes - 1));
        t.add(name + "-short-first", "2", LK_MALFORMED, icmp6(v6.own, v6.lan, d.type, d.bytes - 1).first(6));
    }
}

} // namespace lk
