// SPDX-License-Identifier: MIT
// Group dns: names must not be asked in the clear, whoever is asked and however. A query that the filter
// rewrites goes into the tunnel.
#include <net/if.h>
#include <netinet/in.h>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

// A query for TOKEN.example, type A.
Bytes query(const Env &env) {
    return be16(env.port) + be16(0x0100) + be16(1) + be16(0) + be16(0) + be16(0) + Bytes(1, 16) + env.token +
           Bytes("\7example\0", 9) + be16(1) + be16(1);
}

Bytes stream_query(const Env &env) {
    Bytes data = query(env);
    return be16(static_cast<std::uint16_t>(data.size())) + data;
}

enum class Asked { public_server, router, resolver, gateway };

struct Target {
    Ip ip;
    unsigned scope = 0;
    SockAddr at(std::uint16_t port) const { return SockAddr(ip, port, scope); }
};

Target target(const Env &env, Asked asked) {
    bool host = env.which.who != Who::nated && env.which.who != Who::routed;
    switch (asked) {
    case Asked::public_server: return {env.dst};
    case Asked::router:
        if (env.family == 4) return {Ip::of("10.9.0.1")};
        return host ? Target{Ip::of("fe80::1"), if_nametoindex("eth0")} : Target{Ip::of("2001:db8:9::1")};
    case Asked::resolver: return {env.pick(resolver4, resolver6)};
    case Asked::gateway: return {env.pick(gateway4, gateway6)};
    }
    return {};
}

const char *text(Asked asked) {
    switch (asked) {
    case Asked::public_server: return "public_server";
    case Asked::router: return "router";
    case Asked::resolver: return "resolver";
    case Asked::gateway: return "gateway";
    }
    return "?";
}

Fd socket_for(const Env &env, int type, Asked asked) {
    Fd fd = open_socket(env, type);
    // Towards the resolver the route is the tunnel's: only a pinned socket would leave by the uplink.
    bool host = env.which.who == Who::user || env.which.who == Who::root;
    if (asked == Asked::resolver && env.which.tunnel && host)
        must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), "SO_BINDTODEVICE");
    return fd;
}

void udp_unconnected(const Env &env, Asked asked) {
    Fd fd = socket_for(env, SOCK_DGRAM, asked);
    send_to(fd.get(), target(env, asked).at(env.port), query(env));
}

void udp_connected(const Env &env, Asked asked) {
    Fd fd = socket_for(env, SOCK_DGRAM, asked);
    SockAddr to = target(env, asked).at(env.port);
    must(connect(fd.get(), to.get(), to.length), "connect");
    Bytes data = query(env);
    must(send(fd.get(), data.data(), data.size(), 0), "send");
}

void tcp(const Env &env, Asked asked) {
    Fd fd = socket_for(env, SOCK_STREAM, asked);
    if (connect_briefly(fd.get(), target(env, asked).at(env.port)) == 0) {
        Bytes data = stream_query(env);
        must(send(fd.get(), data.data(), data.size(), MSG_NOSIGNAL), "send");
    }
}

void fast_open(const Env &env, Asked asked) {
    Fd fd = socket_for(env, SOCK_STREAM, asked);
    SockAddr to = target(env, asked).at(env.port);
    Bytes data = stream_query(env);
    sendto(fd.get(), data.data(), data.size(), MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT, to.get(),
           to.length);
}

void raw(const Env &env, Asked asked) {
    Target to = target(env, asked);
    Ip from = to.scope ? Ip::of("fe80::2") : env.source();
    inject(env.seat.device,
           {env.ip_frame(ip(from, to.ip, IPPROTO_UDP, udp(from, to.ip, 4000, env.port, query(env))))});
}

void mapped(const Env &env, int type) {
    Fd fd(must(socket(AF_INET6, type | SOCK_CLOEXEC, 0), "socket"));
    SockAddr to(env.dst.mapped(), env.port);
    if (type == SOCK_STREAM) {
        if (connect_briefly(fd.get(), to)) return;
        Bytes data = stream_query(env);
        must(send(fd.get(), data.data(), data.size(), MSG_NOSIGNAL), "send");
    } else {
        must(connect(fd.get(), to.get(), to.length), "connect");
        Bytes data = query(env);
        must(send(fd.get(), data.data(), data.size(), 0), "send");
    }
}

// What systemd-resolved does for a link of its own.
void per_link(const Env &env, int type) {
    Fd fd = open_socket(env, type);
    int index = static_cast<int>(htonl(if_nametoindex("eth0")));
    if (env.family == 4)
        must(setsockopt(fd.get(), IPPROTO_IP, IP_UNICAST_IF, &index, sizeof(index)), "IP_UNICAST_IF");
    else
        must(setsockopt(fd.get(), IPPROTO_IPV6, IPV6_UNICAST_IF, &index, sizeof(index)), "IPV6_UNICAST_IF");
    SockAddr to = target(env, Asked::router).at(env.port);
    if (connect_briefly(fd.get(), to) == 0) {
        Bytes data = type == SOCK_STREAM ? stream_query(env) : query(env);
        must(send(fd.get(), data.data(), data.size(), MSG_NOSIGNAL), "send");
    }
}

void several_servers(const Env &env) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    for (Asked asked : {Asked::public_server, Asked::router, Asked::gateway})
        send_to(fd.get(), target(env, asked).at(env.port), query(env));
}

void reconnected(const Env &env) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    for (Asked asked : {Asked::public_server, Asked::router}) {
        SockAddr to = target(env, asked).at(env.port);
        must(connect(fd.get(), to.get(), to.length), "connect");
        Bytes data = query(env);
        send(fd.get(), data.data(), data.size(), 0); // the second may report the first's refusal
        send(fd.get(), data.data(), data.size(), 0);
    }
}

} // namespace

void add_dns_cases(Matrix &matrix) {
    const std::vector<Who> all = {Who::user, Who::root, Who::nated, Who::routed};
    const std::vector<Who> local = {Who::user, Who::root};
    auto add = [&](const std::string &name, std::function<void(const Env &)> body,
                   const std::vector<Who> &who, std::uint16_t port = 53,
                   std::vector<bool> tunnel = {false, true}, std::vector<int> families = {4, 6}) {
        Vector vector{.group = "dns", .name = name};
        vector.run = [body = std::move(body)](Env &env) { // a connection attempt holds no token
            for (Asked asked : {Asked::router, Asked::resolver, Asked::gateway})
                env.mark.flow(target(env, asked).ip, env.port);
            env.mark.flow(Ip::of("10.9.0.1"), env.port);
            return env.sender([&] { body(env); });
        };
        vector.who = who;
        vector.port = port;
        vector.tunnel = std::move(tunnel);
        vector.families = std::move(families);
        vector.raw = true;
        matrix.add(vector);
    };
    struct Kind {
        const char *name;
        void (*send)(const Env &, Asked);
    };
    const Kind kinds[] = {{"udp", udp_unconnected},
                          {"udp_connected", udp_connected},
                          {"tcp", tcp},
                          {"tcp_fastopen", fast_open},
                          {"frame", raw}};
    for (Asked asked : {Asked::public_server, Asked::router, Asked::resolver, Asked::gateway})
        for (const Kind &kind : kinds) {
            if (asked == Asked::resolver && kind.send == raw)
                continue; // a frame is pinned anyway: as to the public server
            bool forwards = asked == Asked::public_server || asked == Asked::gateway;
            auto body = [kind, asked](const Env &env) { kind.send(env, asked); };
            add(fmt::format("{}_to_{}", kind.name, text(asked)), body, forwards ? all : local, 53,
                {false, true});
            if (asked == Asked::resolver) // behind the host only the tunnel being down sends it to the uplink
                add(fmt::format("{}_to_{}_forwarded", kind.name, text(asked)), body,
                    {Who::nated, Who::routed}, 53, {false});
            if (asked == Asked::router)
                add(fmt::format("{}_to_{}_forwarded", kind.name, text(asked)), body, {Who::nated});
        }
    add("udp_mapped", [](const Env &env) { mapped(env, SOCK_DGRAM); }, local, 53, {false, true}, {4});
    add("tcp_mapped", [](const Env &env) { mapped(env, SOCK_STREAM); }, local, 53, {false, true}, {4});
    add(
        "per_link_udp", [](const Env &env) { per_link(env, SOCK_DGRAM); }, local);
    add(
        "per_link_tcp", [](const Env &env) { per_link(env, SOCK_STREAM); }, local);
    add("several_servers_on_one_socket", several_servers, local);
    add("reconnected_socket", reconnected, local);
    struct Service {
        const char *name;
        std::uint16_t port;
    };
    for (Service service : {Service{"dot", 853}, Service{"llmnr", 5355}, Service{"netbios_name", 137},
                            Service{"netbios_datagram", 138}}) {
        add(
            fmt::format("{}_udp_to_router", service.name),
            [](const Env &env) { udp_unconnected(env, Asked::router); }, local, service.port);
        add(
            fmt::format("{}_tcp_to_router", service.name), [](const Env &env) { tcp(env, Asked::router); },
            local, service.port);
        add(
            fmt::format("{}_udp_to_public_server", service.name),
            [](const Env &env) { udp_unconnected(env, Asked::public_server); }, all, service.port);
        add(
            fmt::format("{}_tcp_to_public_server", service.name),
            [](const Env &env) { tcp(env, Asked::public_server); }, all, service.port);
    }
    add(
        "mdns_to_public_server", [](const Env &env) { udp_unconnected(env, Asked::public_server); }, all,
        5353);
    auto group = [](const Env &env, const char *v4, const char *v6) {
        Fd fd = open_socket(env, SOCK_DGRAM);
        int on = 1;
        unsigned index = if_nametoindex("eth0");
        setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
        must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), "SO_BINDTODEVICE");
        send_to(fd.get(), SockAddr(env.pick(Ip::of(v4), Ip::of(v6)), env.port, index), query(env));
    };
    add(
        "llmnr_group", [=](const Env &env) { group(env, "224.0.0.252", "ff02::1:3"); }, local, 5355);
    add(
        "netbios_broadcast", [=](const Env &env) { group(env, "10.9.0.255", "ff02::1"); }, local, 137);
    add(
        "dns_to_a_multicast_group", [=](const Env &env) { group(env, "224.0.0.251", "ff02::fb"); }, local,
        53);
    add(
        "mdns_to_another_group", [=](const Env &env) { group(env, "224.0.0.249", "ff02::f9"); }, local, 5353);
}

} // namespace lk::harness
