// SPDX-License-Identifier: MIT
// leakbpf attach --serve: the sessions that are there when the policy comes.
#include <gmock/gmock.h>

#include "netns/serve_world.h"

using namespace lk::harness;
using lk::Fd;
using testing::HasSubstr;
using testing::Not;

namespace {
class CliServeSessions : public ServeTest {};
} // namespace

// The ssh session in which somebody types attach.
TEST_F(CliServeSessions, SessionsThatAreThereGoOn) {
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
TEST_F(CliServeSessions, WhatThisMachineOpenedFromTheServedPortIsNotTakenIn) {
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
TEST_F(CliServeSessions, SessionsGoOnWhereSomebodyListensStill) {
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
TEST_F(CliServeSessions, SessionsThatGoAnotherWayAreNotTakenIn) {
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

TEST_F(CliServeSessions, OneStraySessionIsNamed) {
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

TEST_F(CliServeSessions, AnotherPolicyKeepsTheEntrysSessions) {
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
