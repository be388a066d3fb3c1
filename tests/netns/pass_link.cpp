// SPDX-License-Identifier: MIT
// Group pass: what the link needs, so that nobody has to switch the filter off.
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

const Bytes broadcast_mac(6, '\xff');

// A DHCP message with the token where a client puts its host name.
Bytes dhcp(const Env &env) {
    return Bytes("\1\1\6\0", 4) + be32(0x1234) + Bytes(20, 0) + env.seat.mac + Bytes(10 + 192, 0) +
           be32(0x63825363) + Bytes("\x35\1\1\x0c\x10", 5) + env.token + Bytes(1, '\xff');
}

void add(Matrix &matrix, const std::string &name, std::function<void(const Env &)> body,
         std::vector<int> families, std::vector<Who> who = {Who::root}) {
    Vector vector{.group = "pass", .name = name, .run = by_sender(std::move(body))};
    vector.who = std::move(who);
    vector.families = std::move(families);
    vector.expect = Expect::leaves;
    vector.answered = true; // the sender must not be told of a failure
    vector.raw = true;
    vector.marked_address = false;
    matrix.add(vector);
}

// A frame whose bytes are the mark themselves, for what has no place for a token.
void add_frame(Matrix &matrix, const std::string &name, std::function<Bytes(const Env &)> frame, int family) {
    Vector vector{.group = "pass", .name = name};
    vector.run = [frame](Env &env) {
        Bytes bytes = frame(env);
        env.mark.patterns.clear();
        env.mark.bytes(bytes);
        return env.sender([&] { inject(env.seat.device, {bytes}); });
    };
    vector.who = {Who::root};
    vector.families = {family};
    vector.expect = Expect::leaves;
    vector.marked_address = false;
    matrix.add(vector);
}

void add_dhcp(Matrix &matrix) {
    auto discover = [](const Env &env, const Ip &from) {
        Ip to = Ip::of("255.255.255.255");
        return ethernet(broadcast_mac, env.seat.mac, 0x0800,
                        ip(from, to, IPPROTO_UDP, udp(from, to, 68, 67, dhcp(env))));
    };
    add(matrix, "dhcp_discover_by_packet_socket",
        [=](const Env &env) { inject(env.seat.device, {discover(env, Ip::of("0.0.0.0"))}); }, {4},
        {Who::user, Who::root});
    add(matrix, "dhcp_request_by_packet_socket",
        [=](const Env &env) { inject(env.seat.device, {discover(env, env.source())}); }, {4});
    add(matrix, "dhcp_renewal_by_udp",
        [](const Env &env) {
            Fd fd = open_socket(env, SOCK_DGRAM);
            SockAddr local(env.source(), 68);
            must(bind(fd.get(), local.get(), local.length), "bind");
            send_to(fd.get(), SockAddr(Ip::of("10.9.0.1"), 67), dhcp(env));
        },
        {4});
    add(matrix, "dhcp_rebinding_by_udp",
        [](const Env &env) {
            Fd fd = open_socket(env, SOCK_DGRAM);
            int on = 1;
            must(setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), "SO_BROADCAST");
            must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), "SO_BINDTODEVICE");
            SockAddr local(env.source(), 68);
            must(bind(fd.get(), local.get(), local.length), "bind");
            send_to(fd.get(), SockAddr(Ip::of("255.255.255.255"), 67), dhcp(env));
        },
        {4});
    add(matrix, "dhcpv6_solicit",
        [](const Env &env) {
            Fd fd = open_socket(env, SOCK_DGRAM);
            unsigned index = if_nametoindex("eth0");
            SockAddr local(Ip::of("fe80::2"), 546, index);
            must(bind(fd.get(), local.get(), local.length), "bind");
            send_to(fd.get(), SockAddr(Ip::of("ff02::1:2"), 547, index),
                    Bytes("\1\0\0\7", 4) + env.payload(40));
        },
        {6});
    add(matrix, "dhcpv6_to_the_server",
        [](const Env &env) {
            Fd fd = open_socket(env, SOCK_DGRAM);
            unsigned index = if_nametoindex("eth0");
            SockAddr local(Ip::of("fe80::2"), 546, index);
            must(bind(fd.get(), local.get(), local.length), "bind");
            send_to(fd.get(), SockAddr(Ip::of("fe80::1"), 547, index),
                    Bytes("\5\0\0\7", 4) + env.payload(40));
        },
        {6});
}

void add_neighbours(Matrix &matrix) {
    auto arp_for = [&](const char *name, const char *from, const char *target, std::uint16_t operation = 1) {
        add(matrix, name,
            [=](const Env &env) {
                Bytes data =
                    arp(operation, env.seat.mac, Ip::of(from), Bytes(6, 0), Ip::of(target)) + env.token;
                inject(env.seat.device, {ethernet(broadcast_mac, env.seat.mac, 0x0806, data)});
            },
            {4});
    };
    arp_for("arp_for_the_router", "10.9.0.2", "10.9.0.1");
    arp_for("arp_for_a_neighbour", "10.9.0.2", "10.9.0.77");
    arp_for("arp_probe", "0.0.0.0", "10.9.0.2");
    arp_for("arp_announcement", "10.9.0.2", "10.9.0.2");
    arp_for("arp_answer", "10.9.0.2", "10.9.0.1", 2);

    auto upper = [](const Env &env, const Ip &from, const Ip &to, std::uint8_t type, std::uint32_t rest,
                    const Bytes &data, std::uint8_t hops, const Bytes &mac) {
        return ethernet(mac, env.seat.mac, 0x86dd,
                        ip(from, to, 58, icmp(from, to, type, 0, rest, data), {.hops = hops}));
    };
    const Bytes group_mac("\x33\x33\0\0\0\2", 6);
    add_frame(
        matrix, "router_solicitation",
        [=](const Env &env) {
            return upper(env, Ip::of("fe80::2"), Ip::of("ff02::2"), 133, 0, Bytes("\1\1", 2) + env.seat.mac,
                         255, group_mac);
        },
        6);
    add_frame(
        matrix, "router_solicitation_without_address",
        [=](const Env &env) {
            return upper(env, Ip::of("::"), Ip::of("ff02::2"), 133, 0, "", 255, group_mac);
        },
        6);
    add_frame(
        matrix, "solicitation_of_the_router",
        [=](const Env &env) {
            return upper(env, Ip::of("fe80::2"), Ip::of("ff02::1:ff00:1"), 135, 0, Ip::of("fe80::1").bytes(),
                         255, group_mac);
        },
        6);
    add_frame(
        matrix, "solicitation_to_the_router",
        [=](const Env &env) {
            return upper(env, Ip::of("fe80::2"), Ip::of("fe80::1"), 135, 0, Ip::of("fe80::1").bytes(), 255,
                         env.seat.next_mac);
        },
        6);
    add_frame(
        matrix, "solicitation_of_an_own_address",
        [=](const Env &env) { // duplicate address detection
            return upper(env, Ip::of("::"), Ip::of("ff02::1:ff00:2"), 135, 0, Ip::of("2001:db8:9::2").bytes(),
                         255, group_mac);
        },
        6);
    add_frame(
        matrix, "advertisement",
        [=](const Env &env) {
            return upper(env, Ip::of("fe80::2"), Ip::of("fe80::1"), 136, 0x60000000,
                         Ip::of("2001:db8:9::2").bytes(), 255, env.seat.next_mac);
        },
        6);
    add_frame(
        matrix, "advertisement_to_all",
        [=](const Env &env) {
            return upper(env, Ip::of("2001:db8:9::2"), Ip::of("ff02::1"), 136, 0x20000000,
                         Ip::of("2001:db8:9::2").bytes(), 255, group_mac);
        },
        6);
    add_frame(
        matrix, "mld_report",
        [=](const Env &env) {
            Ip from = Ip::of("fe80::2"), to = Ip::of("ff02::16");
            Bytes report = icmp(from, to, 143, 0, 1, Bytes("\4\0\0\0", 4) + Ip::of("ff02::fb").bytes());
            Bytes options = Bytes("\x3a\0\5\2\0\0\1\0", 8); // router alert
            return ethernet(group_mac, env.seat.mac, 0x86dd,
                            ip(from, to, IPPROTO_HOPOPTS, options + report, {.hops = 1}));
        },
        6);
    add_frame(
        matrix, "igmp_report",
        [](const Env &env) {
            Ip from = env.source(), to = Ip::of("224.0.0.22");
            Bytes report = Bytes("\x22\0\0\0\0\0\0\1\4\0\0\0", 12) + Ip::of("224.0.0.251").bytes();
            report.replace(2, 2, be16(checksum(report)));
            Bytes packet = ip(from, to, IPPROTO_IGMP, report, {.hops = 1, .options = Bytes("\x94\4\0\0", 4)});
            return ethernet(Bytes("\x01\0\x5e\0\0\x16", 6), env.seat.mac, 0x0800, packet);
        },
        4);
    add_frame(
        matrix, "eapol_start",
        [](const Env &env) {
            return ethernet(Bytes("\x01\x80\xc2\0\0\3", 6), env.seat.mac, 0x888e,
                            Bytes("\1\1\0\0", 4) + env.payload(42));
        },
        4);
    // Joining a group makes the kernel report it.
    add(matrix, "kernel_reports_a_group",
        [](const Env &env) {
            Fd fd = open_socket(env, SOCK_DGRAM);
            group_req request{};
            request.gr_interface = if_nametoindex("eth0");
            SockAddr group(env.pick(Ip::of("224.0.0.251"), Ip::of("ff02::fb")), 0);
            memcpy(&request.gr_group, &group.storage, sizeof(group.storage));
            must(setsockopt(fd.get(), env.family == 4 ? +IPPROTO_IP : +IPPROTO_IPV6, MCAST_JOIN_GROUP,
                            &request, sizeof(request)),
                 "joining a group");
            SockAddr to(env.pick(Ip::of("224.0.0.251"), Ip::of("ff02::fb")), 5353, request.gr_interface);
            must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), "SO_BINDTODEVICE");
            send_to(fd.get(), to, env.payload(40));
        },
        {4, 6}, {Who::user});
}

// Neighbour entries are gone: the kernel asks again, and the answer comes.
void add_flushed(Matrix &matrix) {
    struct Where {
        const char *name, *v4, *v6;
        std::uint16_t port;
    };
    for (Where where : {Where{"gateway", "198.51.100.7", "2001:db8:100::7", 443},
                        Where{"lan", "10.9.0.77", "fe80::77", 445}}) {
        Vector vector{.group = "pass", .name = fmt::format("neighbours_flushed_{}", where.name)};
        vector.run = [where](Env &env) {
            const Netns &host = env.world.host();
            std::string neighbours;
            for (const char *neighbour : {"10.9.0.1", "10.9.0.77", "fe80::1", "fe80::77"})
                neighbours += fmt::format("neigh del {} dev eth0\n", neighbour);
            host.ip(neighbours);
            std::string trouble = env.sender([&] {
                Fd fd = open_socket(env, SOCK_STREAM);
                SockAddr to(env.pick(Ip::of(where.v4), Ip::of(where.v6)), where.port, if_nametoindex("eth0"));
                if (int error = connect_briefly(fd.get(), to, 3000)) errno = error, fail("connect");
                must(send(fd.get(), env.token.data(), env.token.size(), MSG_NOSIGNAL), "send");
                receive(fd.get());
            });
            neighbours.clear();
            for (const char *neighbour : {"10.9.0.1", "10.9.0.77", "fe80::1", "fe80::77"})
                neighbours += fmt::format(
                    "neigh replace {} lladdr 02:00:00:00:09:01 dev eth0 nud permanent\n", neighbour);
            host.ip(neighbours);
            return trouble;
        };
        vector.who = {Who::user};
        vector.expect = Expect::leaves;
        vector.answered = true;
        vector.marked_address = false;
        vector.depends = where.port == 443;
        matrix.add(vector);
    }
}

} // namespace

void add_pass_link_cases(Matrix &matrix) {
    add_dhcp(matrix);
    add_neighbours(matrix);
    add_flushed(matrix);
}

} // namespace lk::harness
