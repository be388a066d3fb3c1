// SPDX-License-Identifier: MIT
// Group routing: whatever the routes, the source address or the destination claim, the uplink judges the
// packet itself.
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

constexpr std::uint16_t closed_port = 7, open_port = 7777;

void datagram_to(const Env &env, const Ip &to, std::uint16_t port, unsigned scope = 0) {
    Fd fd = open_socket(env, SOCK_DGRAM);
    send_to(fd.get(), SockAddr(to, port, scope), env.payload(64));
}

void connection_to(const Env &env, const Ip &to, std::uint16_t port) {
    Fd fd = open_socket(env, SOCK_STREAM);
    connect_briefly(fd.get(), SockAddr(to, port));
}

void echo_to(const Env &env, const Ip &to) {
    int protocol = env.family == 4 ? +IPPROTO_ICMP : +IPPROTO_ICMPV6;
    Fd fd(must(socket(env.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, protocol),
               "ping socket"));
    send_to(fd.get(), SockAddr(to, 0), echo_request(env.source(), to, 7, env.payload(56)));
}

// A change of the host's routes for the time of a case.
struct RouteChange {
    const Netns &host;
    std::string undo;
    RouteChange(const Netns &netns, const std::string &make, std::string undo_)
        : host(netns), undo(std::move(undo_)) {
        host.ip(make);
    }
    ~RouteChange() { host.ip(undo); }
};

std::string by_uplink(const Env &env) {
    return env.family == 4 ? "via 10.9.0.1 dev eth0" : "via fe80::1 dev eth0";
}

// A route that a DHCP server pushed: option 121, CVE-2024-3661.
std::string pushed_route(Env &env, const std::string &prefix, const std::function<void(const Env &)> &body) {
    RouteChange change(env.world.host(), fmt::format("route add {} {}", prefix, by_uplink(env)),
                       fmt::format("route del {} {}", prefix, by_uplink(env)));
    return env.sender([&] { body(env); });
}

std::string marked_rule(Env &env) {
    const char *family = env.family == 4 ? "" : "-6 ";
    Output made =
        run({"sh", "-c",
             fmt::format("ip {0}rule add fwmark {2} table 77 && ip {0}route add default {1} table 77", family,
                         by_uplink(env), forged_mark)},
            {.netns = env.world.host().fd()});
    std::string trouble = made.err + env.sender([&] {
        Fd fd = open_socket(env, SOCK_DGRAM);
        must(setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &forged_mark, sizeof(forged_mark)), "SO_MARK");
        send_to(fd.get(), SockAddr(env.tunneled, env.port), env.token);
    });
    run({"sh", "-c",
         fmt::format("ip {0}rule del fwmark {1} table 77; ip {0}route flush table 77", family, forged_mark)},
        {.netns = env.world.host().fd()});
    return trouble;
}

void from_source(const Env &env, const Ip &source, const Ip &to, bool on_uplink) {
    Fd fd(must(socket(env.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    if (on_uplink) must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), "SO_BINDTODEVICE");
    int on = 1; // the address is not, or need not be, the host's
    must(setsockopt(fd.get(), env.family == 4 ? +IPPROTO_IP : +IPPROTO_IPV6,
                    env.family == 4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, &on, sizeof(on)),
         "IP_TRANSPARENT");
    SockAddr local(source, 0);
    must(bind(fd.get(), local.get(), local.length), "bind");
    send_to(fd.get(), SockAddr(to, env.port), env.payload(64));
}

// CVE-2019-14899: somebody at the uplink asks the tunnel's address, and the kernel answers.
std::string probe(Env &env, std::uint8_t protocol, const std::function<Bytes(const Ip &, const Ip &)> &upper,
                  bool neighbour) {
    Seat isp = env.world.isp_seat();
    Ip to = env.pick(Ip::of("10.42.0.2"), Ip::of("2001:db8:42::2"));
    Ip from = neighbour ? env.pick(Ip::of("10.9.0.77"), Ip::of("2001:db8:9::77")) : env.dst;
    if (neighbour) env.mark.flow(from, env.port);
    Bytes frame = ethernet(isp.next_mac, isp.mac, env.family == 4 ? 0x0800 : 0x86dd,
                           ip(from, to, protocol, upper(from, to)));
    isp.netns->inside([&] { inject(isp.device, {frame}); });
    env.world.capture().settle();
    return "";
}

void add_probes(Matrix &matrix) {
    for (bool neighbour : {false, true}) {
        auto add = [&](const char *name, std::function<std::string(Env &)> run) {
            Vector vector{.group = "routing",
                          .name =
                              fmt::format("probe_{}_{}", neighbour ? "by_neighbour" : "by_stranger", name)};
            vector.run = std::move(run);
            vector.who = {Who::root};
            vector.tunnel = {true};
            matrix.add(vector);
        };
        add("syn", [=](Env &env) {
            return probe(
                env, IPPROTO_TCP,
                [&](const Ip &f, const Ip &t) { return tcp(f, t, env.port, closed_port, SYN); }, neighbour);
        });
        add("ack", [=](Env &env) {
            return probe(
                env, IPPROTO_TCP,
                [&](const Ip &f, const Ip &t) { return tcp(f, t, env.port, closed_port, ACK, 3, 3); },
                neighbour);
        });
        add("syn_to_a_listener", [=](Env &env) {
            Puppet listener({.netns = env.seat.netns->fd(), .uid = user_uid},
                            [&](const std::function<void()> &next) {
                                Fd fd(must(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
                                SockAddr any(Ip::of("::"), open_port);
                                must(bind(fd.get(), any.get(), any.length), "bind");
                                must(listen(fd.get(), 8), "listen");
                                next();
                            });
            return probe(
                env, IPPROTO_TCP,
                [&](const Ip &f, const Ip &t) { return tcp(f, t, env.port, open_port, SYN); }, neighbour);
        });
        add("datagram", [=](Env &env) {
            return probe(
                env, IPPROTO_UDP,
                [&](const Ip &f, const Ip &t) { return udp(f, t, env.port, closed_port, env.payload(64)); },
                neighbour);
        });
        add("echo", [=](Env &env) {
            return probe(
                env, env.family == 4 ? 1 : 58,
                [&](const Ip &f, const Ip &t) { return echo_request(f, t, 3, env.payload(56)); }, neighbour);
        });
    }
}

void add_steering(Matrix &matrix) {
    auto up = [&](const char *name, std::function<std::string(Env &)> run, std::vector<Who> who) {
        Vector vector{.group = "routing", .name = name, .run = std::move(run)};
        vector.who = std::move(who);
        vector.tunnel = {true};
        vector.raw = true;
        matrix.add(vector);
    };
    const std::vector<Who> all = {Who::user, Who::root, Who::nated, Who::routed};
    auto host_route = [](const Env &env) {
        return fmt::format("{}/{}", env.tunneled.str(), env.family == 4 ? 32 : 128);
    };
    up(
        "tunnelvision_udp",
        [=](Env &env) {
            return pushed_route(env, host_route(env),
                                [](const Env &e) { datagram_to(e, e.tunneled, e.port); });
        },
        all);
    up(
        "tunnelvision_tcp",
        [=](Env &env) {
            return pushed_route(env, host_route(env),
                                [](const Env &e) { connection_to(e, e.tunneled, e.port); });
        },
        all);
    up("tunnelvision_echo",
       [=](Env &env) {
           return pushed_route(env, host_route(env), [](const Env &e) { echo_to(e, e.tunneled); });
       },
       {Who::user, Who::root, Who::nated});
    up(
        "tunnelvision_half_of_the_world",
        [](Env &env) {
            return pushed_route(env, env.family == 4 ? "128.0.0.0/1" : "2000::/3",
                                [](const Env &e) { datagram_to(e, e.tunneled, e.port); });
        },
        all);
    up(
        "default_route_leaves_the_tunnel",
        [](Env &env) {
            const char *metric = env.family == 4 ? "metric 1" : "metric 2";
            RouteChange change(env.world.host(),
                               fmt::format("route add default {} {}", by_uplink(env), metric),
                               fmt::format("route del default {} {}", by_uplink(env), metric));
            return env.sender([&] { datagram_to(env, env.tunneled, env.port); });
        },
        all);
    up("rule_for_a_forged_mark", marked_rule, {Who::user, Who::root});
}

void add_destinations(Matrix &matrix) {
    // What only --strict refuses; a container's own source address is refused by all means.
    auto add_split = [&](Vector vector, const std::vector<Who> &who) {
        for (bool routed : {false, true}) {
            vector.who.clear();
            std::ranges::copy_if(who, std::back_inserter(vector.who),
                                 [&](Who one) { return (one == Who::routed) == routed; });
            vector.depends = vector.setting == Setting::strict && !routed;
            if (!vector.who.empty()) matrix.add(vector);
        }
    };
    auto add = [&](const char *name, std::function<void(const Env &)> body, std::vector<Who> who,
                   Setting setting = Setting::standard) {
        Vector vector{.group = "routing", .name = name, .run = by_sender(std::move(body))};
        vector.setting = setting;
        vector.raw = true;
        add_split(vector, who);
    };
    auto tcp_to = [&](const char *name, std::function<Ip(const Env &)> to, std::vector<Who> who,
                      Setting setting) {
        Vector vector{.group = "routing", .name = name};
        vector.run = [to](Env &env) {
            env.mark.flow(to(env), env.port);
            return env.sender([&] { connection_to(env, to(env), env.port); });
        };
        vector.setting = setting;
        add_split(vector, who);
    };
    const std::vector<Who> all = {Who::user, Who::root, Who::nated, Who::routed};
    // TunnelCrack LocalNet (CVE-2023-36672): the uplink's own prefix is public.
    auto on_link = [](const Env &env) {
        return env.pick(Ip::of("198.51.100.200"), Ip::of("2001:db8:9::77"));
    };
    add(
        "localnet_public_udp", [=](const Env &env) { datagram_to(env, on_link(env), env.port); }, all);
    add("localnet_public_echo", [=](const Env &env) { echo_to(env, on_link(env)); },
        {Who::user, Who::root, Who::nated});
    tcp_to("localnet_public_tcp", on_link, all, Setting::standard);
    // Beyond what the gateway's entry names.
    auto gateway = [](const Env &env) { return env.pick(gateway4, gateway6); };
    auto port_gateway = [](const Env &env) { return env.pick(port_gateway4, port_gateway6); };
    add(
        "gateways_other_port_udp", [=](const Env &env) { datagram_to(env, port_gateway(env), env.port); },
        all);
    tcp_to("gateways_other_port_tcp", port_gateway, all, Setting::standard);
    add("gateways_port_by_echo", [=](const Env &env) { echo_to(env, port_gateway(env)); },
        {Who::user, Who::root});
    // TunnelCrack ServerIP (CVE-2023-36673) and Port Fail, with --strict.
    add(
        "serverip_strict_udp", [=](const Env &env) { datagram_to(env, gateway(env), env.port); }, all,
        Setting::strict);
    add(
        "serverip_strict_udp_right_port",
        [=](const Env &env) { datagram_to(env, port_gateway(env), gateway_port); }, all, Setting::strict);
    add(
        "serverip_strict_echo", [=](const Env &env) { echo_to(env, gateway(env)); }, {Who::user, Who::root},
        Setting::strict);
    add(
        "serverip_strict_forged_mark",
        [=](const Env &env) {
            Fd fd = open_socket(env, SOCK_DGRAM);
            must(setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &forged_mark, sizeof(forged_mark)), "SO_MARK");
            send_to(fd.get(), SockAddr(port_gateway(env), gateway_port), env.payload(64));
        },
        {Who::user, Who::root}, Setting::strict);
    tcp_to("serverip_strict_tcp", gateway, all, Setting::strict);
    // With --strict the VPN user himself goes to gateways only.
    add(
        "strict_vpn_user_elsewhere", [](const Env &env) { datagram_to(env, env.dst, env.port); }, {Who::vpn},
        Setting::strict);
    add(
        "strict_vpn_user_to_a_resolver", [](const Env &env) { datagram_to(env, env.dst, 53); }, {Who::vpn},
        Setting::strict);
}

void add_sources(Matrix &matrix) {
    auto add = [&](const char *name, std::function<void(const Env &)> body, std::vector<Who> who,
                   std::vector<bool> tunnel = {false, true}, std::vector<int> families = {4, 6}) {
        Vector vector{.group = "routing", .name = name, .run = by_sender(std::move(body))};
        vector.who = std::move(who);
        vector.tunnel = std::move(tunnel);
        vector.families = std::move(families);
        vector.raw = true;
        matrix.add(vector);
    };
    const std::vector<Who> anybody = {Who::user, Who::root, Who::vpn};
    auto foreign = [](const Env &env) {
        return env.pick(Ip::of("203.0.113.99"), Ip::of("2001:db8:f:7fff::9"));
    };
    auto inner = [](const Env &env) { return env.pick(Ip::of("10.42.0.2"), Ip::of("2001:db8:42::2")); };
    add(
        "foreign_source_to_the_world",
        [=](const Env &env) { from_source(env, foreign(env), env.dst, false); }, anybody);
    add(
        "foreign_source_to_a_gateway",
        [=](const Env &env) { from_source(env, foreign(env), env.pick(gateway4, gateway6), false); },
        anybody);
    add(
        "foreign_source_to_the_lan",
        [=](const Env &env) {
            from_source(env, foreign(env), env.pick(Ip::of("10.9.0.77"), Ip::of("2001:db8:9::77")), false);
        },
        anybody);
    add("tunnels_source_on_the_uplink",
        [=](const Env &env) { from_source(env, inner(env), env.tunneled, true); }, anybody, {true});
    add("tunnels_source_to_a_gateway",
        [=](const Env &env) { from_source(env, inner(env), env.pick(gateway4, gateway6), true); }, anybody,
        {true});
    add(
        "containers_source",
        [](const Env &env) {
            from_source(env, env.pick(Ip::of("10.10.0.3"), Ip::of("2001:db8:10::3")), env.dst, false);
        },
        anybody);
    // An IPv4 address in an IPv6 destination.
    const std::vector<Who> all = {Who::user, Who::root, Who::nated, Who::routed};
    auto embedded = [&](const char *name, const char *prefix, bool last) {
        add(name,
            [=](const Env &env) {
                Ip to = Ip::of(prefix);
                Ip v4 = Ip::of("203.0.113.200");
                std::copy(v4.byte.begin(), v4.byte.begin() + 4, to.byte.begin() + (last ? 12 : 2));
                datagram_to(env, to, env.port);
            },
            all, {false}, {6});
    };
    embedded("six_to_four", "2002::1", false);
    embedded("nat64", "64:ff9b::", true);
}

} // namespace

void add_routing_cases(Matrix &matrix) {
    add_steering(matrix);
    add_destinations(matrix);
    add_sources(matrix);
    add_probes(matrix);
}

} // namespace lk::harness
