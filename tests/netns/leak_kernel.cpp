// SPDX-License-Identifier: MIT
// Group sockets: packets that no program sends: what the kernel answers to strangers, and identities that are
// not what they seem.
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

constexpr int proto_mptcp = 262;
constexpr std::uint16_t closed_port = 7, open_port = 7777;

// A packet of the case's stranger (or of FROM) to the host (or to TO).
void stranger_sends(Env &env, std::uint8_t protocol,
                    const std::function<Bytes(const Ip &, const Ip &)> &upper) {
    Seat isp = env.world.isp_seat();
    Ip to = env.source();
    Bytes packet = ip(env.dst, to, protocol, upper(env.dst, to));
    isp.netns->inside([&] {
        inject(isp.device, {ethernet(isp.next_mac, isp.mac, env.family == 4 ? 0x0800 : 0x86dd, packet)});
    });
}

std::string syn_to_a_closed_port(Env &env) {
    stranger_sends(env, IPPROTO_TCP,
                   [&](const Ip &from, const Ip &to) { return tcp(from, to, env.port, closed_port, SYN); });
    return "";
}

std::string ack_to_a_closed_port(Env &env) {
    stranger_sends(env, IPPROTO_TCP, [&](const Ip &from, const Ip &to) {
        return tcp(from, to, env.port, closed_port, ACK, 5, 5);
    });
    return "";
}

std::string datagram_to_a_closed_port(Env &env) {
    stranger_sends(env, IPPROTO_UDP, [&](const Ip &from, const Ip &to) {
        return udp(from, to, env.port, closed_port, env.payload(64));
    });
    return "";
}

std::string echo_request_from_outside(Env &env) {
    stranger_sends(env, env.family == 4 ? 1 : 58,
                   [&](const Ip &from, const Ip &to) { return echo_request(from, to, 9, env.payload(56)); });
    return "";
}

std::string unknown_protocol_from_outside(Env &env) {
    stranger_sends(env, 200, [&](const Ip &, const Ip &) { return env.payload(64); });
    return "";
}

// A listener of UID answers with SYN-ACK.
std::string syn_to_a_listener(Env &env, uid_t uid) {
    Puppet listener({.netns = env.seat.netns->fd(), .uid = uid}, [&](const std::function<void()> &next) {
        Fd fd(must(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        SockAddr any(Ip::of("::"), open_port);
        must(bind(fd.get(), any.get(), any.length), "bind");
        must(listen(fd.get(), 8), "listen");
        next();
    });
    stranger_sends(env, IPPROTO_TCP,
                   [&](const Ip &from, const Ip &to) { return tcp(from, to, env.port, open_port, SYN); });
    env.world.capture().settle();
    return "";
}

// The VPN user closes a connection first; the stranger's last segment comes again: the acknowledgement has no
// socket of his.
std::string time_wait(Env &env) {
    std::string trouble;
    {
        Puppet client({.netns = env.seat.netns->fd(), .uid = vpn_uid},
                      [&](const std::function<void()> &next) {
                          Fd fd = open_socket(env, SOCK_STREAM);
                          SockAddr local(env.source(), env.port);
                          must(bind(fd.get(), local.get(), local.length), "bind");
                          if (int error = connect_briefly(fd.get(), SockAddr(env.dst, 8080), 2000))
                              errno = error, fail("connect");
                          must(shutdown(fd.get(), SHUT_WR), "shutdown");
                          if (!receive(fd.get()).empty()) throw std::runtime_error("the peer did not close");
                          next();
                      });
    }
    env.world.capture().settle();
    // Acknowledgements that the VPN user's own socket sent are behind us: from here on its flow is to be
    // silent.
    env.since = env.world.capture().position();
    env.mark.patterns.clear();
    env.mark.bytes(env.dst.bytes() + be16(env.port) + be16(8080));
    stranger_sends(env, IPPROTO_TCP, [&](const Ip &from, const Ip &to) {
        return tcp(from, to, 8080, env.port, ACK | PSH, 0x12345678, 1, env.payload(32));
    });
    return trouble;
}

std::string hop_limit_exceeded(Env &env) {
    Seat isp = env.world.isp_seat();
    Ip to =
        env.family == 4 ? env.world.container_seat(false).source4 : env.world.container_seat(false).source6;
    Bytes packet =
        ip(env.dst, to, IPPROTO_UDP, udp(env.dst, to, env.port, 4000, env.payload(64)), {.hops = 1});
    isp.netns->inside([&] {
        inject(isp.device, {ethernet(isp.next_mac, isp.mac, env.family == 4 ? 0x0800 : 0x86dd, packet)});
    });
    return "";
}

// A connection through the tunnel, to which the kernel adds a subflow over the uplink by itself.
std::string added_subflow(Env &env) {
    const Netns &host = env.world.host();
    for (const Netns *netns : {&host, static_cast<const Netns *>(&env.world.isp())})
        run({"ip", "mptcp", "limits", "set", "subflow", "2", "add_addr_accepted", "2"},
            {.netns = netns->fd()});
    Output endpoint = run({"ip", "mptcp", "endpoint", "add", env.source().str(), "dev", "eth0", "subflow"},
                          {.netns = host.fd()});
    int domain = env.family == 4 ? AF_INET : AF_INET6;
    SockAddr to(env.tunneled, env.port);
    Puppet server({.netns = env.world.isp().fd()}, [&](const std::function<void()> &next) {
        Fd listening(must(socket(domain, SOCK_STREAM | SOCK_CLOEXEC, proto_mptcp), "socket"));
        int on = 1;
        setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        must(bind(listening.get(), to.get(), to.length), "bind");
        must(listen(listening.get(), 4), "listen");
        next();
        Fd peer(must(accept(listening.get(), nullptr, nullptr), "accept"));
        Bytes data = receive(peer.get());
        must(send(peer.get(), data.data(), data.size(), MSG_NOSIGNAL), "send");
        next();
    });
    Puppet client({.netns = host.fd(), .uid = user_uid}, [&](const std::function<void()> &next) {
        Fd fd(must(socket(domain, SOCK_STREAM | SOCK_CLOEXEC, proto_mptcp), "socket"));
        next();
        if (int error = connect_briefly(fd.get(), to, 2000)) errno = error, fail("connect");
        must(send(fd.get(), "hello", 5, MSG_NOSIGNAL), "send");
        next();
        receive(fd.get());
        next();
    });
    std::string trouble = endpoint.err + client.step() + server.step() + client.step();
    // The kernel's worker adds the subflow when it comes round to it.
    eventually([&] { return env.world.capture().count(env.mark, env.since) > 0; }, 300ms);
    run({"ip", "mptcp", "endpoint", "flush"}, {.netns = host.fd()});
    return trouble;
}

// ---- identities

// Sends on a descriptor that MAKER made, as SENDER.
std::string passed_descriptor(Env &env, uid_t maker, uid_t sender) {
    int channel[2];
    must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, channel), "socketpair");
    Fd one(channel[0]), other(channel[1]);
    Puppet making({.netns = env.seat.netns->fd(), .uid = maker}, [&](const std::function<void()> &next) {
        send_fd(one.get(), open_socket(env, SOCK_DGRAM).get());
        next();
    });
    return as({.netns = env.seat.netns->fd(), .uid = sender}, [&] {
        Fd fd = receive_fd(other.get());
        send_to(fd.get(), env.to(), env.token);
    });
}

std::string vpn_user_after_socket(Env &env) {
    return as({.netns = env.seat.netns->fd()}, [&] {
        Fd fd = open_socket(env, SOCK_DGRAM);
        become(vpn_uid, false);
        send_to(fd.get(), env.to(), env.token);
    });
}

// A user's own namespaces, in which he is called by the VPN user's number, on a macvlan of the uplink.
std::string macvlan_called_vpn_user(Env &env, bool own_user_namespace) {
    int ready[2];
    must(pipe2(ready, O_CLOEXEC), "pipe");
    Fd mapped(ready[0]), map_now(ready[1]);
    Puppet user(
        {.netns = env.seat.netns->fd(), .uid = own_user_namespace ? user_uid : 0},
        [&](const std::function<void()> &next) {
            map_now.reset();
            must(unshare(own_user_namespace ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET), "unshare");
            next(); // the map is written, the device moved here
            if (own_user_namespace)
                must(setresuid(vpn_uid, vpn_uid, vpn_uid), "becoming the VPN user's namesake");
            next(); // the device has its addresses
            Fd fd(must(socket(env.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
            send_to(fd.get(), env.to(), env.token);
        });
    std::string proc = fmt::format("/proc/{}/", user.pid());
    if (own_user_namespace)
        std::ofstream(proc + "uid_map")
            << fmt::format("{} {} 1\n0 {} 1\n", vpn_uid, user_uid, user_uid + 1) << std::flush;
    const Netns &host = env.world.host();
    host.ip(fmt::format("link add lkmv0 link eth0 type macvlan mode bridge\nlink set lkmv0 netns {}",
                        user.pid()));
    std::string trouble = user.step();
    Fd inner(open((proc + "ns/net").c_str(), O_RDONLY | O_CLOEXEC));
    Output output =
        run({"ip", "-force", "-batch", "-"},
            {.netns = inner.get(),
             .input = "link set lo up\nlink set lkmv0 addrgenmode none\nlink set lkmv0 up\n"
                      "addr add 10.9.0.9/24 dev lkmv0\naddr add 2001:db8:9::9/64 dev lkmv0 nodad\n"
                      "addr add fe80::9/64 dev lkmv0 nodad\n"
                      "route add default via 10.9.0.1\nroute add default via fe80::1 dev lkmv0\n"
                      "neigh add 10.9.0.1 lladdr 02:00:00:00:09:01 dev lkmv0 nud permanent\n"
                      "neigh add fe80::1 lladdr 02:00:00:00:09:01 dev lkmv0 nud permanent\n"});
    return trouble + output.err + user.step();
}

} // namespace

void add_kernel_cases(Matrix &matrix) {
    auto add = [&](const char *name, std::function<std::string(Env &)> run, Expect expect = Expect::stays,
                   Who who = Who::root) {
        Vector vector{.group = "sockets", .name = name, .run = std::move(run)};
        vector.who = {who};
        vector.expect = expect;
        vector.depends = expect == Expect::leaves;
        matrix.add(vector);
    };
    add("kernel_reset_to_a_syn", syn_to_a_closed_port);
    add("kernel_reset_to_an_ack", ack_to_a_closed_port);
    add("kernel_port_unreachable", datagram_to_a_closed_port);
    add("kernel_echo_reply", echo_request_from_outside);
    add("kernel_protocol_unreachable", unknown_protocol_from_outside);
    add("kernel_hop_limit_exceeded", hop_limit_exceeded);
    add("kernel_time_wait", time_wait, Expect::stays, Who::vpn);
    Vector subflow{.group = "sockets", .name = "kernel_mptcp_subflow", .run = added_subflow};
    subflow.who = {Who::user};
    subflow.tunnel = {true};
    matrix.add(subflow);
    add(
        "syn_ack_of_a_listener", [](Env &env) { return syn_to_a_listener(env, user_uid); }, Expect::stays,
        Who::user);
    add("syn_ack_of_roots_listener", [](Env &env) { return syn_to_a_listener(env, 0); });
    add(
        "syn_ack_of_the_vpn_users_listener", [](Env &env) { return syn_to_a_listener(env, vpn_uid); },
        Expect::leaves, Who::vpn);
    add(
        "descriptor_of_a_user_given_to_the_vpn_user",
        [](Env &env) { return passed_descriptor(env, user_uid, vpn_uid); }, Expect::stays, Who::vpn);
    add(
        "descriptor_of_the_vpn_user_given_away",
        [](Env &env) { return passed_descriptor(env, vpn_uid, user_uid); }, Expect::leaves, Who::user);
    add("vpn_user_after_socket", vpn_user_after_socket, Expect::stays, Who::vpn);
    add(
        "macvlan_with_a_user_called_vpn_user", [](Env &env) { return macvlan_called_vpn_user(env, true); },
        Expect::stays, Who::user);
    add("macvlan_of_another_namespace", [](Env &env) { return macvlan_called_vpn_user(env, false); });
}

} // namespace lk::harness
