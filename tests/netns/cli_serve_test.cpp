// SPDX-License-Identifier: MIT
// leakbpf attach --serve: strangers who ask a service are answered by the uplink they asked by, and nobody
// else is. What leaves is seen on the far side of the wire.
#include <bpf/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <optional>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "kernel/sys.h"
#include "kernel/tcx.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using lk::Fd;
using testing::HasSubstr;
using testing::Not;

namespace {

constexpr int patience_ms = 3000;
constexpr std::uint16_t served = 2222, other = 2223;

struct Places {
    const char *host, *stranger, *outsider;
};
constexpr Places twin4{"10.7.9.9", "203.0.113.9", "192.0.2.9"},
    twin6{"2001:db8:9::9", "2001:db8:99::9", "2001:db8:98::9"};
constexpr Places v4{"10.7.1.2", "203.0.113.9", "192.0.2.9"},
    v6{"2001:db8:7::2", "2001:db8:99::9", "2001:db8:98::9"};

bool comes(int fd, short what = POLLIN, int wait_ms = patience_ms) {
    pollfd waiting{fd, what, 0};
    return poll(&waiting, 1, wait_ms) == 1;
}

class CliServe : public testing::Test {
  protected:
    CliServe() : world_("serve") {
        world_.far().ip("addr add 203.0.113.9/32 dev lo\naddr add 192.0.2.9/32 dev lo\n"
                        "addr add 2001:db8:99::9/128 dev lo nodad\naddr add 2001:db8:98::9/128 dev lo nodad\n"
                        "addr add 2001:db8:7::1/64 dev far-eth0 nodad\n"
                        "neigh replace 10.7.1.2 lladdr 02:00:00:07:01:02 dev far-eth0 nud permanent\n"
                        "neigh replace 2001:db8:7::2 lladdr 02:00:00:07:01:02 dev far-eth0 nud permanent");
        world_.host().ip("addr add 2001:db8:7::2/64 dev eth0 nodad\n"
                         "neigh replace 2001:db8:7::1 lladdr 02:00:00:07:01:01 dev eth0 nud permanent\n"
                         "route add default via 2001:db8:7::1 dev eth0");
    }
    void attach(std::vector<std::string> more) {
        more.insert(more.begin(), {"eth0", "--gw", "198.51.100.7"});
        const Output output = world_.attach(more);
        ASSERT_EQ(output.status, 0) << output.err;
    }
    static Fd open(
        const Netns &netns, int type, const char *ip, std::uint16_t port,
        const std::function<void(int)> &prepare = [](int) {}) {
        Fd fd;
        netns.inside([&] {
            fd = Fd(::socket(Ip::of(ip).family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
                             0));
            const int on = 1;
            setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            prepare(fd.get());
            const SockAddr at(Ip::of(ip), port);
            EXPECT_EQ(bind(fd.get(), at.get(), at.length), 0) << ip << " " << port;
        });
        return fd;
    }
    Fd listener(const char *ip, std::uint16_t port) {
        Fd fd = open(world_.host(), SOCK_STREAM, ip, port);
        EXPECT_EQ(listen(fd.get(), 128), 0);
        return fd;
    }
    // A stranger's socket that asks.
    Fd ask(const char *from, std::uint16_t from_port, const char *to, std::uint16_t port) {
        Fd fd = open(world_.far(), SOCK_STREAM, from, from_port);
        const SockAddr there(Ip::of(to), port);
        (void)connect(fd.get(), there.get(), there.length);
        return fd;
    }
    static bool connected(int fd, int wait_ms = patience_ms) {
        int error = -1;
        socklen_t size = sizeof error;
        return comes(fd, POLLOUT, wait_ms) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
               error == 0;
    }
    static bool says(int from, int to) {
        char got[8]{};
        return send(from, "hello", 5, MSG_NOSIGNAL) == 5 && comes(to) && recv(to, got, sizeof got, 0) == 5;
    }
    struct Session {
        Fd listens, here, there;
        bool lives() const { return says(there.get(), here.get()) && says(here.get(), there.get()); }
    };
    Session session(const Places &p, std::uint16_t port, std::uint16_t from_port) {
        Session s;
        s.listens = listener(p.host, port);
        s.there = ask(p.stranger, from_port, p.host, port);
        EXPECT_TRUE(connected(s.there.get()));
        EXPECT_TRUE(comes(s.listens.get()));
        s.here = Fd(accept4(s.listens.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        return s;
    }
    // That this machine opened, from PORT to TO_PORT of the stranger.
    Session outgoing(const Places &p, std::uint16_t port, std::uint16_t to_port) {
        const Fd listens = open(world_.far(), SOCK_STREAM, p.stranger, to_port);
        EXPECT_EQ(listen(listens.get(), 8), 0);
        Session s;
        s.here = open(world_.host(), SOCK_STREAM, p.host, port);
        const SockAddr there(Ip::of(p.stranger), to_port);
        (void)connect(s.here.get(), there.get(), there.length);
        EXPECT_TRUE(connected(s.here.get()));
        EXPECT_TRUE(comes(listens.get()));
        s.there = Fd(accept4(listens.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        return s;
    }
    bool speaks_to(const Session &s, const char *stranger, std::uint16_t port) {
        return leaves_for(stranger, port, [&] { (void)send(s.here.get(), "x", 1, MSG_NOSIGNAL); });
    }
    // A second uplink with an own address that is eth0's too, by which routes still lead.
    void plug_twin() {
        world_.plug("eth1", 2);
        for (const char *key :
             {"ipv4/conf/all/rp_filter", "ipv4/conf/eth0/rp_filter", "ipv4/conf/eth1/rp_filter"})
            world_.host().sysctl(key, "0");
        world_.host().ip("addr add 10.7.9.9/32 dev eth0\naddr add 10.7.9.9/32 dev eth1\n"
                         "addr add 2001:db8:9::9/128 dev eth0 nodad\n"
                         "addr add 2001:db8:9::9/128 dev eth1 nodad\n"
                         "addr add 2001:db8:8::2/64 dev eth1 nodad\n"
                         "neigh replace 2001:db8:8::1 lladdr 02:00:00:07:02:01 dev eth1 nud permanent");
        world_.far().ip("route add 10.7.9.9/32 via 10.7.1.2 dev far-eth0\n"
                        "route add 2001:db8:9::9/128 via 2001:db8:7::2 dev far-eth0");
    }
    // What it says.
    std::string attach_both() {
        const Output output = world_.attach({"eth0", "eth1", "--gw", "198.51.100.7", "--serve", "tcp/2222"});
        EXPECT_EQ(output.status, 0) << output.err;
        return output.out + output.err;
    }
    void route_by_eth1() {
        world_.host().ip("route replace default via 10.7.2.1 dev eth1\n"
                         "route replace default via 2001:db8:8::1 dev eth1");
    }
    // Frames to this end since then.
    std::size_t sent_to(const char *ip, std::uint16_t port, std::size_t since) {
        world_.capture().settle();
        Mark mark;
        mark.flow(Ip::of(ip), port);
        return world_.capture().count(mark, since);
    }
    // Whether what DOES makes something leave for this end.
    bool leaves_for(const char *ip, std::uint16_t port, const std::function<void()> &does) {
        const auto since = world_.capture().position();
        does();
        return sent_to(ip, port, since) > 0;
    }
    bool answered(const char *from, std::uint16_t from_port, const char *to, std::uint16_t port) {
        Fd fd;
        return leaves_for(from, from_port, [&] { fd = ask(from, from_port, to, port); });
    }
    void inject_from_far(const char *device, const Bytes &packet, bool ipv6) {
        const std::string net = std::string(device) == "far-eth0" ? "\x01" : "\x02";
        const Bytes mac("\x02\x00\x00\x07", 4);
        world_.far().inside([&] {
            inject(device,
                   {ethernet(mac + net + "\x02", mac + net + "\x01", ipv6 ? 0x86dd : 0x0800, packet)});
        });
    }
    // A TCP segment of a stranger.
    void segment(const char *device, const char *from, std::uint16_t from_port, const char *to,
                 std::uint16_t port, unsigned flags) {
        const Ip src = Ip::of(from), dst = Ip::of(to);
        inject_from_far(device, ip(src, dst, 6, tcp(src, dst, from_port, port, flags)), src.family == 6);
    }
    // Our programs on the ingress of the device, by whatever means.
    std::size_t ingress(const char *device) {
        std::size_t found = 0;
        world_.host().inside([&] {
            found = lk::tcx::chain(static_cast<int>(if_nametoindex(device)), lk::tcx::ingress)->size();
        });
        const std::string filters = tc({"filter", "show", "dev", device, "ingress"});
        for (std::size_t at = 0; (at = filters.find("lk_serve_in:[", at)) != filters.npos; ++at)
            ++found;
        return found;
    }
    std::string tc(std::vector<std::string> words) {
        words.insert(words.begin(), "tc");
        return run(words, {.netns = world_.host().fd()}).out;
    }

    CliWorld world_;
};

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

// The ssh session in which somebody types attach.
TEST_F(CliServe, SessionsThatAreThereGoOn) {
    const Session kept = session(v4, served, 40001), kept6 = session(v6, served, 40001);
    const Session ended = session(v4, other, 40002), ended6 = session(v6, other, 40002);
    ASSERT_TRUE(kept.lives() && kept6.lives() && ended.lives() && ended6.lives());
    attach({"--serve", "tcp/2222"});
    EXPECT_TRUE(kept.lives());
    EXPECT_TRUE(kept6.lives());
    for (const auto &[s, p] : {std::pair{&ended, &v4}, std::pair{&ended6, &v6}})
        EXPECT_FALSE(
            leaves_for(p->stranger, 40002, [&s = s] { (void)send(s->here.get(), "x", 1, MSG_NOSIGNAL); }));
}

// What a browser holds that happens to have the port.
TEST_F(CliServe, WhatThisMachineOpenedFromTheServedPortIsNotTakenIn) {
    const Session in4 = session(v4, served, 40001), in6 = session(v6, served, 40001);
    const Session out4 = outgoing(v4, other, 7000), out6 = outgoing(v6, other, 7000);
    ASSERT_TRUE(in4.lives() && in6.lives() && out4.lives() && out6.lives());
    const Output output =
        world_.attach({"eth0", "--gw", "198.51.100.7", "--serve", "tcp/2222", "--serve", "tcp/2223"});
    ASSERT_EQ(output.status, 0) << output.err;
    EXPECT_THAT(output.out + output.err, Not(HasSubstr("is not kept")));
    EXPECT_FALSE(speaks_to(out4, v4.stranger, 7000));
    EXPECT_FALSE(speaks_to(out6, v6.stranger, 7000));
    EXPECT_TRUE(in4.lives());
    EXPECT_TRUE(in6.lives());
}

// Each listener takes the place of the one to which the session came.
TEST_F(CliServe, SessionsGoOnWhereSomebodyListensStill) {
    struct Row {
        const Places &places;
        const char *listens; // nullptr: nobody does
        bool v6_only, on_another_device, kept;
    };
    const std::vector<Row> rows{{v4, "10.7.1.2", false, false, true},
                                {v4, "0.0.0.0", false, false, true},
                                {v4, "::", false, false, true},
                                {v4, "::ffff:10.7.1.2", false, false, true},
                                {v4, nullptr, false, false, false},
                                {v4, "::", true, false, false},
                                {v4, "10.7.1.3", false, false, false},
                                {v4, "0.0.0.0", false, true, false},
                                {v6, "2001:db8:7::2", false, false, true},
                                {v6, "::", true, false, true},
                                {v6, "::", false, false, true},
                                {v6, "0.0.0.0", false, false, false},
                                {v6, "2001:db8:7::3", false, false, false},
                                {v6, nullptr, false, false, false}};
    world_.host().ip("addr add 10.7.1.3/32 dev eth0\naddr add 2001:db8:7::3/128 dev eth0 nodad");
    std::vector<Session> sessions;
    std::vector<std::string> words{"eth0", "--gw", "198.51.100.7"};
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto port = static_cast<std::uint16_t>(3000 + i);
        words.insert(words.end(), {"--serve", fmt::format("tcp/{}", port)});
        Session s = session(rows[i].places, port, 40001);
        s.listens = Fd();
        if (const char *ip = rows[i].listens) {
            s.listens = open(world_.host(), SOCK_STREAM, ip, port, [&](int fd) {
                const int only = rows[i].v6_only;
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
                if (!rows[i].on_another_device) return;
                EXPECT_EQ(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2), 0);
            });
            EXPECT_EQ(listen(s.listens.get(), 8), 0);
        }
        sessions.push_back(std::move(s));
    }
    const Output output = world_.attach(words);
    ASSERT_EQ(output.status, 0) << output.err;
    for (std::size_t i = 0; i < rows.size(); ++i)
        EXPECT_EQ(speaks_to(sessions[i], rows[i].places.stranger, 40001), rows[i].kept) << "row " << i;
}

// A rule sends what the port says by another device: the session is none of this uplink's.
TEST_F(CliServe, SessionsThatGoAnotherWayAreNotTakenIn) {
    world_.plug("eth1", 2);
    world_.host().ip("addr add 2001:db8:8::2/64 dev eth1 nodad");
    const Session s4 = session(v4, served, 40001), s6 = session(v6, served, 40001),
                  kept = session(v4, other, 40009);
    std::vector<Fd> more;
    for (std::uint16_t port = 40002; port < 40005; ++port) {
        more.push_back(ask(v4.stranger, port, v4.host, served));
        ASSERT_TRUE(connected(more.back().get()));
    }
    ASSERT_TRUE(s4.lives() && s6.lives() && kept.lives());
    const auto rules = [&](const std::string &what) {
        world_.host().ip("rule " + what + " sport 2222 ipproto tcp table 77");
        EXPECT_EQ(run({"ip", "-6", "rule", what, "sport", "2222", "ipproto", "tcp", "table", "77"},
                      {.netns = world_.host().fd()})
                      .status,
                  0);
    };
    rules("add");
    world_.host().ip("route add default via 10.7.2.1 dev eth1 table 77\n"
                     "route add default via 2001:db8:8::1 dev eth1 table 77");
    const Output output = world_.attach(
        {"eth0", "--gw", "198.51.100.7", "--only", "--serve", "tcp/2222", "--serve", "tcp/2223"});
    ASSERT_EQ(output.status, 0) << output.err;
    const std::string told = output.out + output.err;
    std::size_t count = 0;
    for (std::size_t at = 0; (at = told.find("is not kept: its route leads by eth1", at)) != told.npos; ++at)
        ++count;
    EXPECT_EQ(count, 3u) << told;
    EXPECT_THAT(told, HasSubstr("the session of 203.0.113.9:4000"));
    EXPECT_THAT(told, HasSubstr("with tcp/2222 is not kept"));
    EXPECT_THAT(told, HasSubstr("and 2 more sessions are not kept: their routes lead elsewhere"));
    EXPECT_THAT(told, Not(HasSubstr("40009")));
    rules("del");
    EXPECT_FALSE(speaks_to(s4, v4.stranger, 40001));
    EXPECT_FALSE(speaks_to(s6, v6.stranger, 40001));
    EXPECT_TRUE(kept.lives());
}

TEST_F(CliServe, OneStraySessionIsNamed) {
    world_.plug("eth1", 2);
    world_.host().ip("addr add 2001:db8:8::2/64 dev eth1 nodad");
    const Session s = session(v6, served, 40001);
    world_.host().ip("route replace default via 2001:db8:8::1 dev eth1");
    const Output output = world_.attach({"eth0", "--gw", "198.51.100.7", "--only", "--serve", "tcp/2222"});
    ASSERT_EQ(output.status, 0) << output.err;
    EXPECT_THAT(output.out + output.err,
                HasSubstr("the session of [2001:db8:99::9]:40001 with tcp/2222 is not kept: "
                          "its route leads by eth1"));
    EXPECT_THAT(output.out + output.err, Not(HasSubstr("more sessions")));
}

TEST_F(CliServe, AnotherPolicyKeepsTheEntrysSessions) {
    attach({"--serve", "tcp/2222"});
    const Session s = session(v4, served, 40001), s6 = session(v6, served, 40001);
    const Output two =
        world_.attach({"eth0", "--gw", "198.51.100.8", "--serve", "tcp/2223", "--serve", "tcp/2222"});
    ASSERT_EQ(two.status, 0) << two.err;
    EXPECT_TRUE(s.lives());
    EXPECT_TRUE(s6.lives());
    ASSERT_TRUE(world_.follower() > 0);
    EXPECT_EQ(kill(world_.follower(), SIGKILL), 0);
    EXPECT_TRUE(s.lives());
    attach({});
    EXPECT_FALSE(leaves_for(v4.stranger, 40001, [&] { (void)send(s.here.get(), "x", 1, MSG_NOSIGNAL); }));
    EXPECT_FALSE(leaves_for(v6.stranger, 40001, [&] { (void)send(s6.here.get(), "x", 1, MSG_NOSIGNAL); }));
    EXPECT_TRUE(ingress("eth0") == 0u); // nobody is looked at for nothing
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
    EXPECT_THAT(world_.leakbpf({"doctor"}).out, HasSubstr("the services of --serve is missing on eth0"));
    attach({"--serve", "tcp/2222"});
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
    if (kernel_has_tcx()) return;
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
