// SPDX-License-Identifier: MIT
// Group frames: protocols other than TCP and UDP, by raw sockets: tunnels that nobody configured. The VPN
// user's raw sockets may.
#include <netinet/in.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

// A packet that somebody wants to hide inside another one.
Bytes inner(const Env &env, int family) {
    Ip from = Ip::of(family == 4 ? "10.42.0.2" : "2001:db8:42::2");
    Ip to = Ip::of(family == 4 ? "203.0.113.250" : "2001:db8:f:ffff::1");
    return ip(from, to, IPPROTO_UDP, udp(from, to, 4000, 4001, env.payload(64)));
}

struct Protocol {
    const char *name;
    int number;
    Bytes (*data)(const Env &);
};

Bytes plain(const Env &env) {
    return env.payload(64);
}

// Protocol 50 and its kin have no ports: the first bytes are zero.
Bytes after_zeros(const Env &env) {
    return Bytes(8, 0) + env.payload(64);
}

const Protocol protocols[] = {
    {"esp", 50, after_zeros},
    {"gre", 47, [](const Env &env) { return Bytes("\0\0\x08\0", 4) + inner(env, 4); }},
    {"ipip", 4, [](const Env &env) { return inner(env, 4); }},
    {"ip6_in_ip", 41, [](const Env &env) { return inner(env, 6); }},
    {"l2tp", 115, after_zeros},
    {"sctp", 132, after_zeros},
    {"authentication_header", 51, after_zeros},
    {"igmp_to_a_host", 2, after_zeros},
    {"egp", 8, plain},
    {"dccp", 33, [](const Env &env) { return Bytes(12, 0) + env.payload(64); }},
    {"rsvp", 46, plain},
    {"skip", 57, plain},
    {"ospf", 89, plain},
    {"ether_in_ip", 97, after_zeros},
    {"encap", 98, plain},
    {"pim", 103, after_zeros},
    {"ipcomp", 108, plain},
    {"vrrp", 112, after_zeros},
    {"mpls_in_ip", 137, after_zeros},
    {"ethernet_143", 143, after_zeros},
    {"unassigned_200", 200, plain},
    {"experiment_254", 254, plain},
    {"reserved_raw_tcp", IPPROTO_TCP,
     [](const Env &env) { return tcp(env.source(), env.dst, 4000, env.port, ACK, 1, 1, env.payload(64)); }},
    {"reserved_raw_udp", IPPROTO_UDP,
     [](const Env &env) { return udp(env.source(), env.dst, 4000, env.port, env.payload(64)); }},
};

void send_raw(const Env &env, const Protocol &protocol, const Ip &to) {
    Fd fd = open_socket(env, SOCK_RAW, protocol.number);
    send_to(fd.get(), SockAddr(to, 0), protocol.data(env));
}

void send_icmp(const Env &env, std::uint8_t type, const Ip &to) {
    Fd fd = open_socket(env, SOCK_RAW, env.family == 4 ? 1 : 58);
    send_to(fd.get(), SockAddr(to, 0), icmp(env.source(), to, type, 0, 0, env.payload(64)));
}

} // namespace

void add_protocol_cases(Matrix &matrix) {
    for (const Protocol &protocol : protocols) {
        Vector vector{.group = "frames", .name = std::string("raw_") + protocol.name};
        vector.raw = true;
        vector.run = by_sender([&protocol](const Env &env) { send_raw(env, protocol, env.dst); });
        vector.who = {Who::user, Who::root, Who::nated, Who::routed};
        matrix.add(vector);
        if (protocol.number > 50 && protocol.number != 115 && protocol.number != 132) continue;
        vector.who = {Who::vpn};
        vector.expect = Expect::leaves;
        vector.depends = true;
        matrix.add(vector);
        // A gateway entry with a port is no invitation for other protocols.
        if (protocol.number == IPPROTO_TCP || protocol.number == IPPROTO_UDP) continue;
        vector.name += "_to_a_gateway_with_port";
        vector.run = by_sender(
            [&protocol](const Env &env) { send_raw(env, protocol, env.pick(port_gateway4, port_gateway6)); });
        // Masqueraded, the container's packet would meet the host's own in conntrack, which knows protocols
        // without ports by address only.
        vector.who = {Who::user, Who::routed};
        vector.expect = Expect::stays;
        vector.depends = false;
        matrix.add(vector);
    }
    struct Type {
        const char *name;
        std::uint8_t v4, v6;
    };
    const Type types[] = {{"echo_reply", 0, 129},        {"unreachable", 3, 1},
                          {"redirect", 5, 137},          {"timestamp", 13, 200},
                          {"time_exceeded", 11, 3},      {"neighbour_to_a_host", 12, 135},
                          {"router_adv", 9, 134},        {"router_sol", 10, 133},
                          {"node_information", 15, 139}, {"extended_echo", 42, 160}};
    for (const Type &type : types) {
        Vector vector{.group = "frames", .name = std::string("icmp_") + type.name};
        vector.raw = true;
        vector.run = by_sender(
            [type](const Env &env) { send_icmp(env, env.family == 4 ? type.v4 : type.v6, env.dst); });
        vector.who = {Who::user, Who::root, Who::routed};
        matrix.add(vector);
    }
}

} // namespace lk::harness
