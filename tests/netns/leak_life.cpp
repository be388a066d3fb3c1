// SPDX-License-Identifier: MIT
// Group sockets: what was there before the filter came, and a tunnel that dies under its users.
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <stdexcept>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

Ip stranger(int family) {
    return Ip::of(family == 4 ? "203.0.113.200" : "2001:db8:f:8888::1");
}
Bytes token(int number) {
    return fmt::format("lk<before-{:06}>", number);
}

Mark marked(int number) {
    Mark mark;
    mark.bytes(token(number));
    return mark;
}

// A program that was at it before: SEND(N) sends token N. It is seen with 1, then the filter comes, and 2
// must not be.
using Sender = std::function<void(int)>;
Sight before_attach(Guard &guard, int family, uid_t uid, bool keep_raw,
                    const std::function<Sender(int family)> &open) {
    World world({.name = "before", .container = false});
    Puppet program({.netns = world.host().fd(), .uid = uid, .keep_raw = keep_raw},
                   [&](const std::function<void()> &next) {
                       Sender send = open(family);
                       next();
                       send(1);
                       next();
                       send(2);
                   });
    std::string trouble = program.step();
    if (!world.capture().awaits(marked(1))) throw std::runtime_error("nothing is sent: " + trouble);
    guard.attach(world);
    return look(world, {marked(2)}, program.step());
}

Fd inet(int family, int type, int protocol = 0) {
    return Fd(must(socket(family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, protocol), "socket"));
}

Sender datagrams(int family) {
    auto fd = std::make_shared<Fd>(inet(family, SOCK_DGRAM));
    return [=](int number) { send_to(fd->get(), SockAddr(stranger(family), 4242), token(number)); };
}

Sender connected(int family, int type, std::uint16_t port) {
    auto fd = std::make_shared<Fd>(inet(family, type));
    if (connect_briefly(fd->get(), SockAddr(stranger(family), port), 2000)) fail("connect");
    return [=](int number) { send_token(fd->get(), token(number)); };
}

Sender raw_packets(int family) {
    auto fd = std::make_shared<Fd>(inet(family, SOCK_RAW, 50));
    return
        [=](int number) { send_to(fd->get(), SockAddr(stranger(family), 0), Bytes(8, 0) + token(number)); };
}

Sender frames(int family) {
    auto fd = std::make_shared<Fd>(must(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "packet socket"));
    return [=](int number) {
        Ip from = Ip::of(family == 4 ? "10.9.0.2" : "2001:db8:9::2");
        Bytes frame = ethernet(
            Bytes("\x02\0\0\0\x09\x01", 6), Bytes("\x02\0\0\0\x09\x02", 6), family == 4 ? 0x0800 : 0x86dd,
            ip(from, stranger(family), IPPROTO_UDP, udp(from, stranger(family), 4000, 4242, token(number))));
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
        sendto(fd->get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to));
    };
}

// DNS on a socket that was connected before the connect hooks were there.
Sender asked_before(int family) {
    auto fd = std::make_shared<Fd>(inet(family, SOCK_DGRAM));
    SockAddr to(stranger(family), 53);
    must(connect(fd->get(), to.get(), to.length), "connect");
    return [=](int number) { send_token(fd->get(), token(number)); };
}

// A program that a stranger is connected to: what it says to him.
Sight listener_before_attach(Guard &guard, int family) {
    World world({.name = "listener", .container = false});
    Puppet program({.netns = world.host().fd(), .uid = user_uid}, [&](const std::function<void()> &next) {
        Fd listening = inet(family, SOCK_STREAM);
        SockAddr any(Ip::of(family == 4 ? "0.0.0.0" : "::"), 8181);
        must(bind(listening.get(), any.get(), any.length), "bind");
        must(listen(listening.get(), 4), "listen");
        next();
        Fd peer(must(accept(listening.get(), nullptr, nullptr), "accept"));
        send_token(peer.get(), token(1));
        next();
        send_token(peer.get(), token(2));
    });
    Puppet caller({.netns = world.isp().fd()}, [&](const std::function<void()> &next) {
        Fd fd = inet(family, SOCK_STREAM);
        SockAddr local(stranger(family), 0), to(Ip::of(family == 4 ? "10.9.0.2" : "2001:db8:9::2"), 8181);
        must(bind(fd.get(), local.get(), local.length), "bind");
        must(connect(fd.get(), to.get(), to.length), "connect");
        next();
        next();
    });
    std::string trouble = program.step();
    if (!world.capture().awaits(marked(1))) throw std::runtime_error("nothing is sent: " + trouble);
    guard.attach(world);
    return look(world, {marked(2)}, program.step());
}

// Packets that wait in the uplink's queue while the filter comes.
Sight queued_before_attach(Guard &guard, int family) {
    World world({.name = "queue", .container = false});
    Output tc = run({"tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "64kbit", "burst", "1600",
                     "limit", "100000"},
                    {.netns = world.host().fd()});
    if (tc.status != 0) throw std::runtime_error("tc: " + tc.err);
    std::string trouble = as({.netns = world.host().fd(), .uid = user_uid}, [&] {
        Fd fd = inet(family, SOCK_DGRAM);
        for (int count = 0; count < 40; count++)
            send_to(fd.get(), SockAddr(stranger(family), 4242), token(1) + filler(400));
    });
    guard.attach(world);
    std::size_t since = world.capture().position();
    // At 64 kbit/s each of them takes 60 ms: more of them would have come by then.
    bool more = world.capture().awaits(marked(1), since);
    return {.all = more, .any = more, .trouble = trouble};
}

// A download through the tunnel, which then is gone: the routes fall back to the uplink, the connection goes
// on with its source.
Sight tunnel_dies(Guard &guard, int family, bool datagram) {
    World world({.name = "dies", .tunnel = true, .container = false});
    guard.attach(world);
    Ip far = Ip::of(family == 4 ? "203.0.113.20" : "2001:db8:f:20::1");
    Puppet program({.netns = world.host().fd(), .uid = user_uid}, [&](const std::function<void()> &next) {
        Fd fd = inet(family, datagram ? SOCK_DGRAM : SOCK_STREAM);
        SockAddr to(far, 8080);
        must(connect(fd.get(), to.get(), to.length), "connect");
        send_token(fd.get(), token(1));
        if (receive(fd.get()) != token(1)) throw std::runtime_error("the tunnel carries nothing");
        next();
        if (datagram) { // a new socket: the program asks for what it did not get
            fd = inet(family, SOCK_DGRAM);
            send_to(fd.get(), to, token(2));
        } else {
            send_token(fd.get(), token(2));
        }
        next();
    });
    world.capture().settle();
    if (world.capture().count(marked(1)))
        throw std::runtime_error("the tunnel does not hide what it carries");
    // Without its source address an IPv4 socket sends nothing at all: there the device is down, and keeps
    // its address.
    if (family == 4)
        world.host().ip("link set tun0 down");
    else
        world.tunnel_down();
    std::string trouble = program.step();
    Sight seen = look(world, {marked(2)}, trouble);
    // TCP tries again after 200 ms at the earliest: a moment of two such tries.
    if (!seen.any && !datagram && eventually([&] { return world.capture().count(marked(2)) > 0; }, 700ms))
        seen.all = seen.any = true;
    return seen;
}

// A router of the provider's announces itself: IPv6 appears beside a tunnel that carries IPv4 only.
Sight router_appears(Guard &guard, int) {
    World world({.name = "ra", .container = false});
    world.host().ip("route del default via fe80::1 dev eth0 metric 2000\naddr del 2001:db8:9::2/64 dev eth0");
    world.host().sysctl("ipv6/conf/eth0/accept_ra", "2");
    guard.attach(world);
    Ip from = Ip::of("fe80::1"), to = Ip::of("ff02::1");
    Bytes prefix = Bytes{3, 4, 64, static_cast<char>(0xc0)} + be32(3600) + be32(3600) + be32(0) +
                   Ip::of("2001:db8:77::").bytes();
    Bytes advertisement = icmp(from, to, 134, 0, 64u << 24 | 1800, be32(0) + be32(0) + prefix);
    Bytes frame = ethernet(Bytes("\x33\x33\0\0\0\1", 6), Bytes("\x02\0\0\0\x09\x01", 6), 0x86dd,
                           ip(from, to, 58, advertisement, {.hops = 255}));
    world.isp().inside([&] { inject("h0", {frame}); });
    if (!eventually([&] {
            return run({"ip", "-6", "addr"}, {.netns = world.host().fd()}).out.find("2001:db8:77:") !=
                       Bytes::npos &&
                   run({"ip", "-6", "route"}, {.netns = world.host().fd()}).out.find("default") !=
                       Bytes::npos;
        }))
        throw std::runtime_error("the advertisement was not taken");
    return look(world, {marked(1)},
                as({.netns = world.host().fd(), .uid = user_uid}, [&] { datagrams(6)(1); }));
}

// A carrier that gives 10.0.0.0/8 to the uplink: every private network of the tunnel would be LAN.
Sight wide_lan(Guard &guard, int) {
    World world({.name = "wide", .container = false});
    world.host().ip("addr del 10.9.0.2/24 dev eth0\naddr add 10.9.0.2/8 dev eth0\n"
                    "neigh add 10.77.0.5 lladdr 02:00:00:00:09:01 dev eth0 nud permanent");
    guard.attach(world);
    return look(world, {marked(1)}, as({.netns = world.host().fd(), .uid = user_uid}, [&] {
                    send_to(inet(4, SOCK_DGRAM).get(), SockAddr(Ip::of("10.77.0.5"), 4242), token(1));
                }));
}

// Another tool begins with an empty netfilter, as many scripts do.
Sight netfilter_flushed(Guard &guard, int family) {
    World world({.name = "flush", .container = false});
    guard.attach(world);
    Output nft = run({"nft", "flush", "ruleset"}, {.netns = world.host().fd()});
    if (nft.status != 0) throw std::runtime_error("nft: " + nft.err);
    return look(world, {marked(1)},
                as({.netns = world.host().fd(), .uid = user_uid}, [&] { datagrams(family)(1); }));
}

} // namespace

void add_life_cases(Matrix &matrix) {
    struct Somebody {
        const char *name;
        uid_t uid;
    };
    auto before = [&](const char *what, bool raw, std::function<Sender(int)> open) {
        for (Somebody who : {Somebody{"user", user_uid}, Somebody{"root", 0}})
            matrix.add_special(
                "life", fmt::format("{}_before_attach.{}", what, who.name),
                [=](Guard &guard, int family) { return before_attach(guard, family, who.uid, raw, open); });
    };
    before("udp_opened", false, datagrams);
    before("udp_connected", false, [](int family) { return connected(family, SOCK_DGRAM, 4242); });
    before("tcp_connected", false, [](int family) { return connected(family, SOCK_STREAM, 8080); });
    before("raw_opened", true, raw_packets);
    before("packet_socket_opened", true, frames);
    before("dns_connected", false, asked_before);
    matrix.add_special("life", "tcp_accepted_before_attach", listener_before_attach);
    matrix.add_special("life", "queued_before_attach", queued_before_attach);
    matrix.add_special("life", "tunnel_dies_in_a_download",
                       [](Guard &guard, int family) { return tunnel_dies(guard, family, false); });
    matrix.add_special("life", "tunnel_dies_and_a_new_socket",
                       [](Guard &guard, int family) { return tunnel_dies(guard, family, true); });
    matrix.add_special("life", "netfilter_flushed", netfilter_flushed);
    matrix.add_special("life", "router_advertisement_beside_the_tunnel", router_appears, Expect::stays, {6});
    matrix.add_special("life", "wide_private_prefix_is_no_lan", wide_lan, Expect::stays, {4});
}

} // namespace lk::harness
