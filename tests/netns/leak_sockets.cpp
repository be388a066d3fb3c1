// SPDX-License-Identifier: MIT
// Group sockets: what a program can send through the socket calls, whatever the call. The VPN user's own
// sockets may.
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <cstring>

#include "harness/message.h"
#include "leak_case.h"
#include "uring.h"

namespace lk::harness {

namespace {

constexpr int proto_mptcp = 262, proto_udplite = 136, proto_sctp = 132, proto_dccp = 33;

void set(int fd, int level, int option, int value, const char *what) {
    must(setsockopt(fd, level, option, &value, sizeof(value)), what);
}

// Tokens all the way, so that each fragment or segment shows one.
Bytes tokens(const Env &env, std::size_t length) {
    Bytes data;
    while (data.size() < length)
        data += env.token;
    data.resize(length);
    return data;
}

int domain(const Env &env) {
    return env.family == 4 ? AF_INET : AF_INET6;
}

void tcp_fastopen(const Env &env) {
    Fd fd = open_socket(env, SOCK_STREAM);
    SockAddr to = env.to();
    Bytes data = env.payload(64);
    if (sendto(fd.get(), data.data(), data.size(), MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT, to.get(),
               to.length) < 0 &&
        errno != EINPROGRESS && errno != ECONNREFUSED)
        fail("fast open");
}

void udp_connected(const Env &env) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    SockAddr to = env.to();
    must(connect(fd.get(), to.get(), to.length), "connect");
    must(send(fd.get(), env.token.data(), env.token.size(), 0), "send");
}

void udp_sendmmsg(const Env &env) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    SockAddr to = env.to();
    Bytes data = env.payload(100);
    iovec part{data.data(), data.size()};
    mmsghdr messages[3]{};
    for (mmsghdr &message : messages) {
        message.msg_hdr.msg_name = to.get();
        message.msg_hdr.msg_namelen = to.length;
        message.msg_hdr.msg_iov = &part;
        message.msg_hdr.msg_iovlen = 1;
    }
    must(sendmmsg(fd.get(), messages, 3, 0), "sendmmsg");
}

void udp_gso(const Env &env) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    set(fd.get(), IPPROTO_UDP, 103 /* UDP_SEGMENT */, 800, "UDP_SEGMENT");
    send_to(fd.get(), env.to(), tokens(env, 3 * 800));
}

void udp_corked(const Env &env) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    SockAddr to = env.to();
    must(sendto(fd.get(), env.token.data(), env.token.size(), MSG_MORE, to.get(), to.length),
         "sendto with MSG_MORE");
    must(sendto(fd.get(), env.token.data(), env.token.size(), 0, to.get(), to.length), "sendto");
}

void udp_zerocopy(const Env &env) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    set(fd.get(), SOL_SOCKET, SO_ZEROCOPY, 1, "SO_ZEROCOPY");
    SockAddr to = env.to();
    Bytes data = tokens(env, 1200);
    must(sendto(fd.get(), data.data(), data.size(), MSG_ZEROCOPY, to.get(), to.length),
         "sendto with MSG_ZEROCOPY");
}

void mapped(const Env &env, int type) {
    Fd fd(must(socket(AF_INET6, type | SOCK_CLOEXEC, 0), "socket"));
    SockAddr to(env.dst.mapped(), env.port);
    if (type == SOCK_STREAM)
        connect_briefly(fd.get(), to);
    else
        send_to(fd.get(), to, env.token);
}

void uring_udp(const Env &env) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    Bytes data = env.payload(100);
    Message message(env.to(), data);
    errno = -uring_sendmsg(fd.get(), *message.get());
    if (errno > 0) fail("io_uring sendmsg");
}

void ping(const Env &env, int type) {
    int protocol = env.family == 4 ? +IPPROTO_ICMP : +IPPROTO_ICMPV6;
    Fd fd(must(socket(domain(env), type | SOCK_CLOEXEC, protocol), "socket"));
    send_to(fd.get(), SockAddr(env.dst, 0), echo_request(env.source(), env.dst, 77, env.payload(56)));
}

void raw_with_header(const Env &env) {
    Fd fd(must(socket(domain(env), SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), "socket"));
    Bytes packet =
        ip(env.source(), env.dst, IPPROTO_UDP, udp(env.source(), env.dst, 4000, env.port, env.payload(64)));
    if (env.family == 6) set(fd.get(), IPPROTO_IPV6, IPV6_HDRINCL, 1, "IPV6_HDRINCL");
    send_to(fd.get(), SockAddr(env.dst, 0), packet);
}

void raw_protocol(const Env &env, int protocol, const Bytes &data) {
    Fd fd = open_socket(env, SOCK_RAW, protocol);
    send_to(fd.get(), SockAddr(env.dst, 0), data);
}

void udp_to(const Env &env, const Ip &to) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    set(fd.get(), SOL_SOCKET, SO_BROADCAST, 1, "SO_BROADCAST");
    send_to(fd.get(), SockAddr(to, env.port, if_nametoindex(env.seat.device.c_str())), env.payload(64));
}

// ---- sockets that choose the device themselves, while the tunnel has the default route

void bind_to_device(const Env &env, int fd) {
    must(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), "SO_BINDTODEVICE");
    (void)env;
}

void unicast_if(const Env &env, int fd) {
    int index = static_cast<int>(htonl(if_nametoindex("eth0")));
    if (env.family == 4)
        set(fd, IPPROTO_IP, IP_UNICAST_IF, index, "IP_UNICAST_IF");
    else
        set(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, index, "IPV6_UNICAST_IF");
}

void pinned_udp(const Env &env, void (*pin)(const Env &, int), bool connected) {
    Fd fd(must(socket(domain(env), SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    pin(env, fd.get());
    SockAddr to(env.tunneled, env.port);
    if (connected) must(connect(fd.get(), to.get(), to.length), "connect");
    must(sendto(fd.get(), env.token.data(), env.token.size(), 0, connected ? nullptr : to.get(),
                connected ? 0 : to.length),
         "sendto");
}

void pinned_tcp(const Env &env, void (*pin)(const Env &, int)) {
    Fd fd(must(socket(domain(env), SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    pin(env, fd.get());
    connect_briefly(fd.get(), SockAddr(env.tunneled, env.port));
}

void packet_info(const Env &env) {
    Fd fd(must(socket(domain(env), SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    Bytes data = env.token;
    Message message(SockAddr(env.tunneled, env.port), data);
    message.set_device(env.family, if_nametoindex("eth0"));
    must(sendmsg(fd.get(), message.get(), 0), "sendmsg");
}

// ---- the table

using Body = std::function<void(const Env &)>;

struct Shape {
    bool raw = false;
    std::vector<int> families = {4, 6};
    std::vector<bool> tunnel = {false, true};
    bool local_only = false; // makes no sense from behind the host
    bool vpn_may = true;     // the VPN user's socket of this kind is the VPN daemon's
};

void add(Matrix &matrix, const std::string &name, const Body &body, const Shape &shape = {}) {
    Vector vector{.group = "sockets", .name = name, .run = by_sender(body)};
    vector.families = shape.families;
    vector.tunnel = shape.tunnel;
    vector.raw = shape.raw;
    vector.who = {Who::user, Who::root, Who::nated, Who::routed};
    if (shape.local_only) vector.who = {Who::user, Who::root};
    if (!shape.vpn_may) vector.who.push_back(Who::vpn);
    matrix.add(vector);
    if (!shape.vpn_may) return;
    vector.who = {Who::vpn};
    vector.expect = Expect::leaves;
    vector.depends = true;
    matrix.add(vector);
}

} // namespace

void add_socket_cases(Matrix &matrix) {
    const Shape raw{.raw = true}, v4{.families = {4}, .local_only = true};
    add(matrix, "tcp_connect", [](const Env &env) {
        Fd fd = open_socket(env, SOCK_STREAM);
        connect_briefly(fd.get(), env.to());
    });
    add(matrix, "tcp_fastopen", tcp_fastopen);
    // The kernel makes the subflows: they have no creator, so even the VPN user's are refused.
    add(matrix, "tcp_mptcp",
        [](const Env &env) {
            Fd fd = open_socket(env, SOCK_STREAM, proto_mptcp);
            connect_briefly(fd.get(), env.to());
        },
        {.vpn_may = false});
    add(matrix, "tcp_uring_connect", [](const Env &env) {
        Fd fd = open_socket(env, SOCK_STREAM);
        SockAddr to = env.to();
        uring_connect(fd.get(), to.get(), to.length);
    });
    add(
        matrix, "tcp_mapped", [](const Env &env) { mapped(env, SOCK_STREAM); }, v4);
    add(
        matrix, "udp_mapped", [](const Env &env) { mapped(env, SOCK_DGRAM); }, v4);
    add(matrix, "udp_connected", udp_connected);
    add(matrix, "udp_unconnected", [](const Env &env) {
        Fd fd = open_socket(env, SOCK_DGRAM);
        send_to(fd.get(), env.to(), env.token);
    });
    add(matrix, "udp_sendmmsg", udp_sendmmsg);
    add(matrix, "udp_gso", udp_gso);
    add(matrix, "udp_corked", udp_corked);
    add(matrix, "udp_zerocopy", udp_zerocopy);
    add(matrix, "udp_uring", uring_udp);
    add(matrix, "udp_fragmented_by_the_stack", [](const Env &env) {
        Fd fd = open_socket(env, SOCK_DGRAM);
        send_to(fd.get(), env.to(), tokens(env, 4000));
    });
    add(matrix, "udplite", [](const Env &env) {
        Fd fd = open_socket(env, SOCK_DGRAM, proto_udplite);
        send_to(fd.get(), env.to(), env.payload(64));
    });
    add(matrix, "ping_socket", [](const Env &env) { ping(env, SOCK_DGRAM); });
    add(
        matrix, "raw_icmp", [](const Env &env) { ping(env, SOCK_RAW); }, raw);
    add(matrix, "raw_with_header", raw_with_header, raw);
    add(
        matrix, "raw_sctp",
        [](const Env &env) {
            raw_protocol(env, proto_sctp, be16(5000) + be16(env.port) + be32(0) + be32(0) + env.payload(32));
        },
        raw);
    add(
        matrix, "raw_dccp",
        [](const Env &env) {
            raw_protocol(env, proto_dccp,
                         be16(5000) + be16(env.port) + Bytes("\x04\0\0\0\0\0\0\0\0\0\0\0", 12) +
                             env.payload(32));
        },
        raw);
    add(
        matrix, "udp_mark_forged",
        [](const Env &env) {
            Fd fd = open_socket(env, SOCK_DGRAM);
            set(fd.get(), SOL_SOCKET, SO_MARK, forged_mark, "SO_MARK");
            send_to(fd.get(), env.to(), env.token);
        },
        raw);
    add(matrix, "udp_limited_broadcast", [](const Env &env) { udp_to(env, Ip::of("255.255.255.255")); },
        {.families = {4}, .tunnel = {false}, .local_only = true});
    add(matrix, "udp_unknown_multicast",
        [](const Env &env) { udp_to(env, env.pick(Ip::of("224.7.7.7"), Ip::of("ff0e::7777"))); },
        {.tunnel = {false}, .local_only = true});

    const Shape up{.tunnel = {true}, .local_only = true};
    add(
        matrix, "udp_bound_to_device", [](const Env &env) { pinned_udp(env, bind_to_device, false); }, up);
    add(
        matrix, "udp_bound_to_device_connected",
        [](const Env &env) { pinned_udp(env, bind_to_device, true); }, up);
    add(
        matrix, "tcp_bound_to_device", [](const Env &env) { pinned_tcp(env, bind_to_device); }, up);
    add(
        matrix, "udp_unicast_if", [](const Env &env) { pinned_udp(env, unicast_if, false); }, up);
    add(
        matrix, "udp_unicast_if_connected", [](const Env &env) { pinned_udp(env, unicast_if, true); }, up);
    add(matrix, "udp_packet_info", packet_info, up);
}

} // namespace lk::harness
