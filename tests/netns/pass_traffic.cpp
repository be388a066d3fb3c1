// SPDX-License-Identifier: MIT
// Group pass: what must go on working with the filter on: gateways, the VPN user, the LAN, the tunnel and
// what is behind the host.
#include <net/if.h>
#include <netinet/in.h>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

Fd inet(const Env &env, int type) {
    return open_socket(env, type);
}

// Sends the token and wants it back.
void asks(const Env &env, int type, const SockAddr &to, std::size_t length = 64) {
    Fd fd = inet(env, type);
    if (int error = connect_briefly(fd.get(), to, 2000)) errno = error, fail("connect");
    Bytes data;
    while (data.size() < length)
        data += env.token;
    data.resize(length);
    must(send(fd.get(), data.data(), data.size(), MSG_NOSIGNAL), "send");
    Bytes answer;
    while (answer.size() < length) {
        Bytes part = receive(fd.get());
        if (part.empty()) throw std::runtime_error("closed");
        answer += part;
    }
    if (answer != data) throw std::runtime_error("the answer is another one");
}

void protocol_to(const Env &env, const Ip &to, int protocol) {
    Fd fd = open_socket(env, SOCK_RAW, protocol);
    send_to(fd.get(), SockAddr(to, 0), Bytes(8, 0) + env.payload(64));
}

void pings(const Env &env, const Ip &to, unsigned scope = 0) {
    int protocol = env.family == 4 ? +IPPROTO_ICMP : +IPPROTO_ICMPV6;
    Fd fd(must(socket(env.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, protocol),
               "ping socket"));
    SockAddr own(env.source(), 0);
    if (scope == 0) must(bind(fd.get(), own.get(), own.length), "bind");
    send_to(fd.get(), SockAddr(to, 0, scope), echo_request(env.source(), to, 7, env.payload(56)));
    receive(fd.get());
}

SockAddr neighbour(const Env &env, std::uint16_t port) {
    if (env.family == 4) return SockAddr(Ip::of("10.9.0.77"), port);
    return SockAddr(Ip::of("fe80::77"), port, if_nametoindex(env.seat.device.c_str()));
}

const std::vector<Who> everybody = {Who::user, Who::root, Who::nated}, local = {Who::user, Who::root};
const std::vector<Who> vpn = {Who::vpn};

// DEPENDS: only without --strict.
void add(Matrix &matrix, const std::string &name, std::function<void(const Env &)> body,
         const std::vector<Who> &who, std::vector<bool> tunnel = {false, true},
         std::vector<int> families = {4, 6}, bool raw = false, bool depends = false) {
    Vector vector{.group = "pass", .name = name, .run = by_sender(std::move(body))};
    vector.who = who;
    vector.tunnel = std::move(tunnel);
    vector.families = std::move(families);
    vector.expect = Expect::leaves;
    vector.answered = true;
    vector.raw = raw;
    vector.marked_address = false;
    vector.depends = depends;
    matrix.add(vector);
}

void add_gateways(Matrix &matrix) {
    auto gateway = [](const Env &env) { return env.pick(gateway4, gateway6); };
    auto port_gateway = [](const Env &env) { return env.pick(port_gateway4, port_gateway6); };
    // With --strict the VPN user alone.
    auto all = [&](const char *name, const std::function<void(const Env &)> &body,
                   const std::vector<Who> &who, bool raw = false) {
        add(matrix, name, body, who, {false, true}, {4, 6}, raw, true);
        add(matrix, name, body, vpn, {false, true}, {4, 6}, raw);
    };
    all(
        "gateway_udp", [=](const Env &env) { asks(env, SOCK_DGRAM, SockAddr(gateway(env), 51820)); },
        everybody);
    all(
        "gateway_tcp", [=](const Env &env) { asks(env, SOCK_STREAM, SockAddr(gateway(env), 443)); },
        everybody);
    all(
        "gateway_tcp_much",
        [=](const Env &env) { asks(env, SOCK_STREAM, SockAddr(gateway(env), 443), 30000); }, everybody);
    all(
        "gateway_ping", [=](const Env &env) { pings(env, gateway(env)); }, everybody);
    all(
        "gateway_esp", [=](const Env &env) { protocol_to(env, gateway(env), 50); }, local, true);
    all(
        "gateway_gre", [=](const Env &env) { protocol_to(env, gateway(env), 47); }, local, true);
    all(
        "gateway_port_udp",
        [=](const Env &env) { asks(env, SOCK_DGRAM, SockAddr(port_gateway(env), gateway_port)); }, everybody);
    all(
        "gateway_port_udp_fragmented",
        [=](const Env &env) { asks(env, SOCK_DGRAM, SockAddr(port_gateway(env), gateway_port), 4000); },
        everybody);
}

void add_vpn_user(Matrix &matrix) {
    auto anywhere = [](const Env &env) { return env.dst; };
    auto alone = [&](const char *name, const std::function<void(const Env &)> &body, bool raw = false) {
        add(matrix, name, body, vpn, {false, true}, {4, 6}, raw, true);
    };
    alone("vpn_user_udp", [=](const Env &env) { asks(env, SOCK_DGRAM, SockAddr(anywhere(env), 9000)); });
    alone("vpn_user_tcp", [=](const Env &env) { asks(env, SOCK_STREAM, SockAddr(anywhere(env), 443)); });
    alone("vpn_user_tcp_much",
          [=](const Env &env) { asks(env, SOCK_STREAM, SockAddr(anywhere(env), 443), 100000); });
    alone("vpn_user_udp_fragmented",
          [=](const Env &env) { asks(env, SOCK_DGRAM, SockAddr(anywhere(env), 9000), 4000); });
    alone("vpn_user_ping", [=](const Env &env) { pings(env, anywhere(env)); });
    alone("vpn_user_dns_udp", [=](const Env &env) { asks(env, SOCK_DGRAM, SockAddr(anywhere(env), 53)); });
    alone("vpn_user_dns_tcp", [=](const Env &env) { asks(env, SOCK_STREAM, SockAddr(anywhere(env), 53)); });
    alone(
        "vpn_user_raw_esp", [=](const Env &env) { protocol_to(env, anywhere(env), 50); }, true);
    add(
        matrix, "vpn_user_lan", [](const Env &env) { asks(env, SOCK_STREAM, neighbour(env, 445)); }, vpn);
    // A stranger connects to the VPN user's listener: SYN-ACK and data go back.
    Vector inbound{.group = "pass", .name = "vpn_user_listener"};
    inbound.run = [](Env &env) {
        Puppet server({.netns = env.seat.netns->fd(), .uid = vpn_uid},
                      [&](const std::function<void()> &next) {
                          Fd listening = open_socket(env, SOCK_STREAM);
                          SockAddr any(env.source(), env.port);
                          int on = 1;
                          setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                          must(bind(listening.get(), any.get(), any.length), "bind");
                          must(listen(listening.get(), 4), "listen");
                          next();
                          Fd peer(must(accept(listening.get(), nullptr, nullptr), "accept"));
                          must(send(peer.get(), env.token.data(), env.token.size(), MSG_NOSIGNAL), "send");
                          next();
                      });
        Puppet client({.netns = env.world.isp().fd()}, [&](const std::function<void()> &next) {
            Fd fd(
                must(socket(env.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
            SockAddr from(env.dst, 0), to(env.source(), env.port);
            must(bind(fd.get(), from.get(), from.length), "bind");
            next();
            if (int error = connect_briefly(fd.get(), to, 2000)) errno = error, fail("connect");
            next();
            if (receive(fd.get()) != env.token) throw std::runtime_error("other data");
            next();
        });
        for (Puppet *turn : {&client, &server, &client})
            if (std::string trouble = turn->step(); !trouble.empty()) return trouble;
        return std::string();
    };
    inbound.who = vpn;
    inbound.depends = true;
    inbound.expect = Expect::leaves;
    inbound.answered = true;
    matrix.add(inbound);
}

void add_lan(Matrix &matrix) {
    add(
        matrix, "lan_udp", [](const Env &env) { asks(env, SOCK_DGRAM, neighbour(env, 2049)); }, local);
    add(
        matrix, "lan_tcp", [](const Env &env) { asks(env, SOCK_STREAM, neighbour(env, 445)); }, local);
    add(
        matrix, "lan_tcp_much", [](const Env &env) { asks(env, SOCK_STREAM, neighbour(env, 445), 100000); },
        local);
    add(
        matrix, "lan_udp_fragmented",
        [](const Env &env) { asks(env, SOCK_DGRAM, neighbour(env, 2049), 8000); }, local);
    add(
        matrix, "lan_ping",
        [](const Env &env) {
            pings(env, env.pick(Ip::of("10.9.0.77"), Ip::of("fe80::77")),
                  if_nametoindex(env.seat.device.c_str()));
        },
        local);
    add(matrix, "lan_from_a_container", [](const Env &env) { asks(env, SOCK_STREAM, neighbour(env, 445)); },
        {Who::nated}, {false, true}, {4});
    add(matrix, "lan_broadcast",
        [](const Env &env) {
            Fd fd = inet(env, SOCK_DGRAM);
            int on = 1;
            must(setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), "SO_BROADCAST");
            send_to(fd.get(), SockAddr(Ip::of("10.9.0.255"), 9), env.payload(102)); // wake on LAN
        },
        local, {false, true}, {4});
    auto group = [&](const char *name, const char *v4, const char *v6, std::uint16_t port) {
        add(
            matrix, name,
            [=](const Env &env) {
                Fd fd = inet(env, SOCK_DGRAM);
                must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), "SO_BINDTODEVICE");
                send_to(fd.get(), SockAddr(env.pick(Ip::of(v4), Ip::of(v6)), port, if_nametoindex("eth0")),
                        env.payload(100));
            },
            local);
    };
    group("mdns", "224.0.0.251", "ff02::fb", 5353);
    group("ssdp", "239.255.255.250", "ff02::c", 1900);
}

// What goes through the tunnel comes back, and is not seen on the uplink.
void add_tunnel(Matrix &matrix) {
    struct Kind {
        const char *name;
        int type;
        std::uint16_t port;
        std::size_t length;
    };
    for (Kind kind : {Kind{"udp", SOCK_DGRAM, 9000, 64}, Kind{"tcp", SOCK_STREAM, 443, 64},
                      Kind{"tcp_much", SOCK_STREAM, 443, 100000}, Kind{"dns_udp", SOCK_DGRAM, 53, 64},
                      Kind{"dns_tcp", SOCK_STREAM, 53, 64}, Kind{"dot", SOCK_STREAM, 853, 64}}) {
        for (int family : {4, 6})
            for (Who who : {Who::user, Who::root, Who::nated}) {
                Vector vector{.group = "tunnel", .name = fmt::format("through_the_tunnel_{}", kind.name)};
                vector.run = [kind](Env &env) {
                    // The tunnel's own packets are the proof that something left: to its server's port.
                    env.mark.patterns.clear();
                    env.mark.flow(gateway4, 1195);
                    Mark clear;
                    clear.bytes(env.token);
                    std::string trouble = env.sender(
                        [&] { asks(env, kind.type, SockAddr(env.tunneled, kind.port), kind.length); });
                    env.world.capture().settle();
                    return env.world.capture().count(clear, env.since) ? "seen in the clear" : trouble;
                };
                vector.families = {family};
                vector.who = {who};
                vector.tunnel = {true};
                vector.expect = Expect::leaves;
                vector.answered = true;
                matrix.add(vector);
            }
    }
    // The resolver itself, as a stub would ask it.
    Vector resolver{.group = "tunnel", .name = "resolver_through_the_tunnel"};
    resolver.run = [](Env &env) {
        env.mark.flow(gateway4, 1195);
        return env.sender([&] { asks(env, SOCK_DGRAM, SockAddr(env.pick(resolver4, resolver6), 53)); });
    };
    resolver.tunnel = {true};
    resolver.expect = Expect::leaves;
    resolver.answered = true;
    matrix.add(resolver);
}

} // namespace

void add_pass_cases(Matrix &matrix) {
    add_gateways(matrix);
    add_vpn_user(matrix);
    add_lan(matrix);
    add_tunnel(matrix);
}

} // namespace lk::harness
