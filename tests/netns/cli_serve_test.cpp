// SPDX-License-Identifier: MIT
// leakbpf attach --serve: strangers who ask a service are answered by the uplink they asked by, and nobody
// else is. What leaves is seen on the far side of the wire.
#include <bpf/bpf.h>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"
#include "netns/serve_world.h"

using namespace lk::harness;
using lk::Exit;
using lk::Fd;
using testing::HasSubstr;
using testing::Not;

namespace {
class CliServe : public ServeTest {};
} // namespace

TEST_F(CliServe, TcpIsAnsweredOnTheServedPortAlone) {
    attach({"--serve", "tcp/2222"});
    for (const Places &p : {v4, v6}) {
        EXPECT_TRUE(session(p, served, 40001).lives()) << p.host;
        const Fd closed = listener(p.host, other);
        EXPECT_FALSE(answered(p.stranger, 40002, p.host, other)) << p.host;
        EXPECT_TRUE(answered(p.stranger, 40003, p.host, served)) << p.host; // nobody listens: it is told
    }
    EXPECT_FALSE(world_.leaks());
    EXPECT_THAT(world_.leakbpf({"status"}).out,
                HasSubstr("tcp/2222; who asks there sees this machine's own address"));
    EXPECT_EQ(world_.status()["scopes"][0]["policy"]["serve"], nlohmann::json({"tcp/2222"}));
}

TEST_F(CliServe, UdpIsAnsweredOnTheServedPortAlone) {
    attach({"--serve", "udp/2222"});
    for (const Places &p : {v4, v6})
        for (const std::uint16_t port : {served, other}) {
            const Fd here = open(world_.host(), SOCK_DGRAM, p.host, port);
            const Fd there = open(world_.far(), SOCK_DGRAM, p.stranger, 40001);
            const SockAddr to(Ip::of(p.host), port), back(Ip::of(p.stranger), 40001),
                beside(Ip::of(p.stranger), 40002);
            ASSERT_EQ(sendto(there.get(), "ask", 3, 0, to.get(), to.length), 3);
            ASSERT_TRUE(comes(here.get()));
            const auto reply = [&](const SockAddr &whom) {
                return [&] { (void)sendto(here.get(), "reply", 5, 0, whom.get(), whom.length); };
            };
            EXPECT_EQ(leaves_for(p.stranger, 40001, reply(back)), port == served) << p.host << " " << port;
            EXPECT_FALSE(leaves_for(p.stranger, 40002, reply(beside))) << p.host << " " << port;
            if (port == served) {
                EXPECT_TRUE(comes(there.get()));
            }
        }
}

TEST_F(CliServe, TheServedPortConnectsToNobody) {
    attach({"--serve", "tcp/2222"});
    for (const Places &p : {v4, v6}) {
        const auto out = [&](std::uint16_t to_port) {
            return leaves_for(p.stranger, to_port, [&] {
                const Fd fd = open(world_.host(), SOCK_STREAM, p.host, served);
                const SockAddr there(Ip::of(p.stranger), to_port);
                (void)connect(fd.get(), there.get(), there.length);
            });
        };
        EXPECT_FALSE(out(7000)) << p.host;
        segment("far-eth0", p.stranger, 7001, p.host, served, SYN); // and has asked
        EXPECT_FALSE(out(7001)) << p.host;
        EXPECT_TRUE(answered(p.stranger, 7002, p.host, served)) << p.host;
    }
}

TEST_F(CliServe, NoAnswerToAnybodyElse) {
    attach({"--serve", "tcp/2222@203.0.113.0/24", "--serve", "tcp/2222@2001:db8:99::/48"});
    for (const Places &p : {v4, v6}) {
        const Fd listens = listener(p.host, served);
        EXPECT_TRUE(answered(p.stranger, 40001, p.host, served)) << p.host;
        EXPECT_FALSE(answered(p.outsider, 40002, p.host, served)) << p.host;
        for (const unsigned flags : {+ACK, ACK | PSH, SYN | ACK, SYN | FIN})
            EXPECT_FALSE(leaves_for(p.stranger, static_cast<std::uint16_t>(41000 + flags),
                                    [&] {
                                        segment("far-eth0", p.stranger,
                                                static_cast<std::uint16_t>(41000 + flags), p.host, served,
                                                flags);
                                    }))
                << p.host << " flags " << flags;
        EXPECT_TRUE(leaves_for(p.stranger, 40003, [&] {
            segment("far-eth0", p.stranger, 40003, p.host, served, SYN);
        })) << p.host;
    }
}

TEST_F(CliServe, NoAnswerByAnotherDevice) {
    world_.plug("eth1", 2);
    const Output output = world_.attach({"eth0", "eth1", "--gw", "198.51.100.7", "--serve", "tcp/2222"});
    ASSERT_EQ(output.status, 0) << output.err;
    const Fd listens = listener("0.0.0.0", served);
    EXPECT_FALSE(leaves_for(v4.stranger, 40001,
                            [&] { segment("far-eth1", v4.stranger, 40001, v4.host, served, SYN); }));
    EXPECT_FALSE(leaves_for(v4.stranger, 40002,
                            [&] { segment("far-eth1", v4.stranger, 40002, "10.7.2.2", served, SYN); }));
    EXPECT_TRUE(leaves_for(v4.stranger, 40003,
                           [&] { segment("far-eth0", v4.stranger, 40003, v4.host, served, SYN); }));
}

// One address on two uplinks: the flow alone does not tell by which of them somebody asked.
TEST_F(CliServe, NoAnswerByTheTwinOfTheUplinkThatWasAsked) {
    plug_twin();
    attach_both();
    for (const Places &p : {twin4, twin6}) {
        const Fd listens = listener(p.host, served);
        EXPECT_FALSE(leaves_for(p.stranger, 40001, [&] {
            segment("far-eth1", p.stranger, 40001, p.host, served, SYN);
        })) << p.host;
        EXPECT_TRUE(leaves_for(p.stranger, 40002, [&] {
            segment("far-eth0", p.stranger, 40002, p.host, served, SYN);
        })) << p.host;
    }
}

TEST_F(CliServe, ASessionDoesNotMoveToTheTwinOfItsUplink) {
    plug_twin();
    attach_both();
    const Session s4 = session(twin4, served, 40001), s6 = session(twin6, served, 40001);
    ASSERT_TRUE(s4.lives() && s6.lives());
    route_by_eth1();
    for (const auto &[s, p] : {std::pair{&s4, &twin4}, std::pair{&s6, &twin6}}) {
        EXPECT_FALSE(speaks_to(*s, p->stranger, 40001)) << p->host;
        EXPECT_TRUE(leaves_for(p->stranger, 40002, [this, &p = p] {
            segment("far-eth1", p->stranger, 40002, p->host, served, SYN);
        })) << p->host;
    }
}

TEST_F(CliServe, ASessionIsKeptByTheUplinkByWhichItGoes) {
    plug_twin();
    const Session s4 = session(twin4, served, 40001), s6 = session(twin6, served, 40001);
    route_by_eth1();
    EXPECT_THAT(attach_both(), Not(HasSubstr("is not kept")));
    EXPECT_TRUE(s4.lives());
    EXPECT_TRUE(s6.lives());
}

TEST_F(CliServe, EachScopeServesItsOwn) {
    world_.plug("eth1", 2);
    for (const auto &[device, port] : {std::pair{"eth0", "tcp/2222"}, std::pair{"eth1", "tcp/2223"}}) {
        const Output output =
            world_.attach({device, "--gw", "198.51.100.7", "--only", "--no-lan", "--serve", port});
        ASSERT_EQ(output.status, 0) << output.err;
    }
    const Fd one = listener("0.0.0.0", served), two = listener("0.0.0.0", other);
    EXPECT_TRUE(answered("10.7.1.1", 40001, "10.7.1.2", served));
    EXPECT_FALSE(answered("10.7.1.1", 40002, "10.7.1.2", other));
    EXPECT_FALSE(answered("10.7.2.1", 40003, "10.7.2.2", served));
    EXPECT_TRUE(answered("10.7.2.1", 40004, "10.7.2.2", other));
}

TEST_F(CliServe, ContainerBehindDnat) {
    Netns container("lk-serve-ct");
    world_.host().ip("link add ct0 type veth peer name eth0 netns lk-serve-ct\nlink set ct0 up\n"
                     "addr add 10.88.0.1/24 dev ct0\naddr add fd88::1/64 dev ct0 nodad");
    container.ip("link set eth0 up\naddr add 10.88.0.2/24 dev eth0\naddr add fd88::2/64 dev eth0 nodad\n"
                 "route add default via 10.88.0.1\nroute add default via fd88::1");
    world_.host().sysctl("ipv4/ip_forward", "1");
    world_.host().sysctl("ipv6/conf/all/forwarding", "1");
    world_.host().ip("route replace default via 2001:db8:7::1 dev eth0");
    const Output nft = run({"nft", "-f", "-"},
                           {.netns = world_.host().fd(),
                            .input = "table inet t {\n chain pre { type nat hook prerouting priority -100;\n"
                                     "  iif eth0 tcp dport {2222, 2223} dnat ip to 10.88.0.2\n"
                                     "  iif eth0 tcp dport {2222, 2223} dnat ip6 to fd88::2\n }\n}\n"});
    ASSERT_EQ(nft.status, 0) << nft.err;
    attach({"--serve", "tcp/2222"});
    for (const Places &p : {v4, v6}) {
        const char *inside = p.host == v4.host ? "10.88.0.2" : "fd88::2";
        Fd open_one = open(container, SOCK_STREAM, inside, served),
           shut = open(container, SOCK_STREAM, inside, other);
        ASSERT_EQ(listen(open_one.get(), 8) + listen(shut.get(), 8), 0);
        const Fd there = ask(p.stranger, 40001, p.host, served);
        ASSERT_TRUE(connected(there.get())) << p.host;
        ASSERT_TRUE(comes(open_one.get()));
        const Fd here(accept4(open_one.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        EXPECT_TRUE(says(there.get(), here.get()) && says(here.get(), there.get())) << p.host;
        EXPECT_FALSE(answered(p.stranger, 40002, p.host, other)) << p.host;
    }
}

TEST_F(CliServe, AFloodTakesNobodysPlace) {
    attach({"--serve", "tcp/2222", "--serve", "udp/2222"});
    Session idle = session(v4, served, 40001);
    idle.listens = Fd();
    ASSERT_TRUE(idle.lives());
    const Fd here = open(world_.host(), SOCK_DGRAM, v4.host, served),
             there = open(world_.far(), SOCK_DGRAM, v4.stranger, 40001);
    const SockAddr to(Ip::of(v4.host), served), back(Ip::of(v4.stranger), 40001);
    ASSERT_EQ(sendto(there.get(), "ask", 3, 0, to.get(), to.length), 3);
    ASSERT_TRUE(comes(here.get()));
    const auto reply = [&] { (void)sendto(here.get(), "reply", 5, 0, back.get(), back.length); };
    ASSERT_TRUE(leaves_for(v4.stranger, 40001, reply));
    // One host, from each of its ports, by both protocols.
    const Ip src = Ip::of(v4.outsider), dst = Ip::of(v4.host);
    const Bytes mac("\x02\x00\x00\x07\x01", 5);
    std::vector<Bytes> flood;
    for (unsigned port = 1024; port < 65536; port += 2) {
        const auto from = static_cast<std::uint16_t>(port);
        flood.push_back(
            ethernet(mac + "\x02", mac + "\x01", 0x0800, ip(src, dst, 6, tcp(src, dst, from, served, SYN))));
        flood.push_back(
            ethernet(mac + "\x02", mac + "\x01", 0x0800, ip(src, dst, 17, udp(src, dst, from, served, "x"))));
    }
    world_.far().inside([&] { inject("far-eth0", flood); });
    world_.capture().settle();
    EXPECT_TRUE(leaves_for(v4.stranger, 40001, reply));
    EXPECT_TRUE(idle.lives());
    EXPECT_TRUE(answered(v4.stranger, 40005, v4.host, served)); // and somebody new
}

TEST_F(CliServe, DetachLeavesNothing) {
    attach({"--serve", "tcp/2222"});
    ASSERT_EQ(ingress("eth0"), 1u);
    ASSERT_EQ(world_.leakbpf({"detach", "--all"}).status, 0);
    EXPECT_TRUE(ingress("eth0") == 0u);
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(eventually([] { return processes() == none; }));
    EXPECT_TRUE(world_.leaks());
}

TEST_F(CliServe, TheHookIsPutBackAndMissed) {
    attach({"--serve", "tcp/2222"});
    const auto take_off = [&] {
        if (!kernel_has_tcx()) {
            tc({"filter", "del", "dev", "eth0", "ingress"});
            return;
        }
        for (const std::string &pin : pins())
            if (pin.find("/serve-") != pin.npos) {
                const auto opened = lk::open_pin(pin);
                ASSERT_EQ(opened.error, 0);
                bpf_link_detach(opened.fd.get());
                std::filesystem::remove(pin);
            }
    };
    const auto back = [&] { return ingress("eth0") == 1; };
    ASSERT_TRUE(back());
    take_off();
    EXPECT_TRUE(eventually(back, 15s));
    EXPECT_TRUE(answered(v4.stranger, 40001, v4.host, served));
    const pid_t follower = world_.follower();
    ASSERT_GT(follower, 0);
    ASSERT_EQ(kill(follower, SIGKILL), 0);
    ASSERT_TRUE(eventually([] { return processes() == none; }));
    take_off();
    EXPECT_FALSE(answered(v4.stranger, 40002, v4.host, served));
    EXPECT_THAT(world_.leakbpf({"status"}).out,
                HasSubstr("no living hook that sees who asks the services of --serve"));
    const Output doctor = world_.leakbpf({"doctor", "--require", "serve"});
    EXPECT_EQ(doctor.status, static_cast<int>(Exit::unsupported));
    EXPECT_THAT(doctor.out, HasSubstr("the services of --serve is missing on eth0"));
    attach({"--serve", "tcp/2222", "--require", "serve"});
    EXPECT_EQ(world_.leakbpf({"doctor", "--require", "serve"}).status, 0);
    EXPECT_TRUE(answered(v4.stranger, 40003, v4.host, served));
}

// The second gate judges what has no hook yet, and the socket hooks see every socket: neither is in the way.
TEST_F(CliServe, EveryUplinkAndTheSecondGate) {
    const Output output = world_.attach(
        {"--all-uplinks", "--gw", "198.51.100.7", "--no-lan", "--serve", "tcp/2222", "--dns", "10.43.0.1"});
    ASSERT_EQ(output.status, 0) << output.err;
    ASSERT_NE(world_.status()["gate"], "none");
    EXPECT_TRUE(session(v4, served, 40001).lives());
    EXPECT_TRUE(session(v6, served, 40001).lives());
    world_.plug("eth1", 2);
    world_.host().ip("route add default via 10.7.2.1 dev eth1 metric 500");
    ASSERT_TRUE(eventually([&] { return world_.guarded().size() == 2 && ingress("eth1") == 1; }, 15s));
    const Fd listens = listener("0.0.0.0", served);
    EXPECT_TRUE(answered("10.7.2.1", 40002, "10.7.2.2", served));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliServe, AnIngressQdiscIsInTheWayBelowTcx) {
    if (kernel_has_tcx()) GTEST_SKIP() << "tcx needs no qdisc";
    tc({"qdisc", "add", "dev", "eth0", "ingress"});
    const Output output = world_.attach({"eth0", "--gw", "198.51.100.7", "--serve", "tcp/2222"});
    EXPECT_EQ(output.status, static_cast<int>(Exit::failure));
    EXPECT_THAT(output.err, HasSubstr("it has one of the kind ingress"));
}

TEST_F(CliServe, Errors) {
    for (const char *bad :
         {"22", "tcp", "tcp/0", "tcp/65536", "icmp/1", "tcp/22@", "tcp/22@10.0.0.1/8", "tcp/22@host"}) {
        const Output output = world_.attach({"eth0", "--gw", "198.51.100.7", "--serve", bad});
        EXPECT_EQ(output.status, static_cast<int>(Exit::bad_input)) << bad;
        EXPECT_THAT(output.err, HasSubstr(bad)) << bad;
    }
    const Output both = world_.attach({"eth0", "--lockdown", "--serve", "tcp/22"});
    EXPECT_EQ(both.status, static_cast<int>(Exit::bad_input));
    EXPECT_THAT(both.err, HasSubstr("--serve tcp/22"));
    const Output dry =
        world_.attach({"eth0", "--gw", "198.51.100.7", "--serve", "tcp/22@10.0.0.0/8", "--dry-run"});
    EXPECT_EQ(dry.status, 0) << dry.err;
    EXPECT_THAT(dry.out, HasSubstr("tcp/22@10.0.0.0/8"));
    EXPECT_EQ(pins(), none);
}
