// SPDX-License-Identifier: MIT
// Policies of cgroups: what a process in one gets onto the wire, beside one outside of it.
#include <sched.h>

#include "cgroup_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

[[maybe_unused]] const auto *const kept = testing::AddGlobalTestEnvironment(new ProgramsKept);

constexpr const char *gateway = "198.51.100.7", *other = "203.0.113.9";
constexpr const char *gateway6 = "2001:db8:7::7", *other6 = "2001:db8:9::9";
const std::vector<std::string> to_gateways{"--gw", gateway, "--gw", gateway6};

// A raw socket's echo request; the errno.
int ping_raw(const char *dst) {
    const Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
    const SockAddr to(Ip::of(dst), 0);
    const Bytes request = echo_request(Ip::of("10.7.1.2"), Ip::of(dst), 7, "probe");
    return sendto(socket.get(), request.data(), request.size(), 0, to.get(), to.length) < 0 ? errno : 0;
}

} // namespace

TEST(Cgroup, OnlyItsGatewaysAndOnlyItsProcesses) {
    CgroupWorld world("only");
    const Cgroup inside("in"), outside("out");
    ASSERT_TRUE(world.passes(inside, other)); // it shows without the filter
    const Output attached = world.guard(inside, to_gateways);
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_EQ(attached.out, "guarded: cgroup in\n");
    for (const char *dst : {gateway, gateway6})
        EXPECT_TRUE(world.passes(inside, dst)) << dst;
    for (const char *dst : {other, other6})
        for (const bool connected : {false, true}) {
            const Sent sent = world.datagram(inside, dst, connected);
            EXPECT_EQ(sent.error, CgroupWorld::refused()) << dst;
            EXPECT_FALSE(sent.arrived) << dst;
        }
    EXPECT_TRUE(world.passes(outside, other));
    EXPECT_TRUE(world.leaks()); // a process that is in neither

    ASSERT_EQ(world.free(inside).status, 0);
    EXPECT_TRUE(world.passes(inside, other));
    EXPECT_EQ(world.free(inside).status, 7);
}

// A few prefixes are in the policy's record, more are rows of a table.
TEST(Cgroup, ALanOfFewPrefixesAndOfMany) {
    CgroupWorld world("lan");
    const Cgroup few("few"), many("many"), none("none");
    std::vector<std::string> lan{"--lockdown", "--lan", "203.0.113.0/28", "--lan", "2001:db8:9::/64"};
    ASSERT_EQ(world.guard(few, lan).status, 0);
    for (const char *prefix : {"192.0.2.16/28", "192.0.2.64/28", "192.0.2.128/28", "198.51.100.0/28"})
        lan.insert(lan.end(), {"--lan", prefix});
    ASSERT_EQ(world.guard(many, lan).status, 0);
    ASSERT_EQ(world.guard(none, {"--lockdown"}).status, 0);
    for (const char *dst : {other, other6}) {
        EXPECT_TRUE(world.passes(few, dst)) << dst;
        EXPECT_TRUE(world.passes(many, dst)) << dst;
        EXPECT_FALSE(world.passes(none, dst)) << dst;
    }
    EXPECT_TRUE(world.passes(many, "192.0.2.130"));
    for (const char *dst : {"203.0.113.16", "2001:db8:9:1::9", "192.0.2.32"}) {
        EXPECT_FALSE(world.passes(few, dst)) << dst;
        EXPECT_FALSE(world.passes(many, dst)) << dst;
    }
    ASSERT_EQ(world.guard(many, {"--lockdown", "--lan", "198.51.100.0/28"}).status, 0); // from many to few
    EXPECT_TRUE(world.passes(many, gateway));
    EXPECT_FALSE(world.passes(many, other));
}

TEST(Cgroup, ARefusedConnectSaysSoAtOnce) {
    CgroupWorld world("conn");
    const Cgroup cgroup("in");
    ASSERT_EQ(world.guard(cgroup, to_gateways).status, 0);
    for (const char *dst : {other, other6}) {
        const auto connected = [&] {
            const SockAddr to(Ip::of(dst), 80);
            const Fd socket(::socket(to.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
            return connect(socket.get(), to.get(), to.length) < 0 ? errno : 0;
        };
        EXPECT_EQ(world.inside(cgroup, connected), CgroupWorld::refused()) << dst;
    }
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--errno", "EHOSTUNREACH"}).status, 0);
    const int told = CgroupWorld::refused() == EPERM ? EPERM : EHOSTUNREACH;
    EXPECT_EQ(world.datagram(cgroup, other).error, told);
    EXPECT_EQ(world.datagram(cgroup, other, true).error, told);
}

TEST(Cgroup, RawSocketsAndThoseFromBefore) {
    CgroupWorld world("raw");
    const Cgroup cgroup("in");
    // Sockets that were made before the policy, by a process that is in the cgroup all the time.
    Mark mark;
    mark.bytes("older probe");
    mark.flow(Ip::of(gateway), 4000);
    Puppet older({.netns = world.host().fd()}, [&](const std::function<void()> &next) {
        cgroup.enter();
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const SockAddr to(Ip::of(other), 4000), good(Ip::of(gateway), 4000);
        if (connect(socket.get(), to.get(), to.length) != 0) throw std::runtime_error("connect");
        next();
        if (send(socket.get(), "older probe", 11, 0) != 11) throw std::runtime_error("it should pass still");
        next();
        if (send(socket.get(), "older probe", 11, 0) != -1 || errno != EPERM)
            throw std::runtime_error("it should be refused");
        if (connect(socket.get(), good.get(), good.length) != 0 || send(socket.get(), "good", 4, 0) != 4)
            throw std::runtime_error("it should reach the gateway");
    });
    auto since = world.capture().position();
    ASSERT_EQ(older.step(), "");
    EXPECT_TRUE(world.capture().awaits(mark, since));
    ASSERT_EQ(world.inside(cgroup, [] { return ping_raw(other); }), 0);

    ASSERT_EQ(world.guard(cgroup, to_gateways).status, 0);
    since = world.capture().position();
    ASSERT_EQ(older.step(), "");
    EXPECT_TRUE(world.capture().awaits(mark, since));
    EXPECT_EQ(world.capture().count(mark, since), 1u);
    EXPECT_EQ(world.inside(cgroup, [] { return ping_raw(other); }), EPERM);
    EXPECT_EQ(world.inside(cgroup, [] { return ping_raw(gateway); }), 0);
}

TEST(Cgroup, LoopbackAndItsOwnAddressesAreFree) {
    CgroupWorld world("lo");
    const Cgroup cgroup("in");
    ASSERT_EQ(world.guard(cgroup, to_gateways).status, 0);
    for (const char *dst : {"127.0.0.1", "10.7.1.2", "::1", "fd07::2"}) {
        const auto talks = [&] {
            const SockAddr at(Ip::of(dst), 8053);
            const Fd server(::socket(at.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
            const Fd client(::socket(at.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
            if (bind(server.get(), at.get(), at.length) != 0 || listen(server.get(), 1) != 0) return -errno;
            return connect(client.get(), at.get(), at.length) < 0 ? errno : 0;
        };
        EXPECT_EQ(world.inside(cgroup, talks), 0) << dst;
    }
}

TEST(Cgroup, AnyNetworkNamespaceAndThoseOfOthersUntouched) {
    CgroupWorld world("ns");
    Netns container("lk-cg-ns-box");
    world.far().ip(fmt::format("link add box type veth peer name eth0 netns {}\nlink set box up\n"
                               "addr add 10.8.0.1/24 dev box",
                               container.name()));
    container.ip("link set eth0 up\naddr add 10.8.0.2/24 dev eth0\nroute add default via 10.8.0.1");
    container.ip(fmt::format("neigh replace 10.8.0.1 lladdr {} dev eth0 nud permanent", "02:00:00:00:00:99"));
    const Cgroup a("a"), b("b");
    ASSERT_EQ(world.guard(a, {"--gw", gateway}).status, 0);
    ASSERT_EQ(world.guard(b, {"--gw", other}).status, 0);
    for (const Netns *netns : std::initializer_list<const Netns *>{&world.host(), &container}) {
        EXPECT_TRUE(world.datagram(a, gateway, false, netns->fd()).arrived);
        EXPECT_FALSE(world.datagram(a, other, false, netns->fd()).arrived);
        EXPECT_TRUE(world.datagram(b, other, false, netns->fd()).arrived);
        EXPECT_FALSE(world.datagram(b, gateway, false, netns->fd()).arrived);
    }
}

TEST(Cgroup, AChildNarrowsAndNeverWidens) {
    CgroupWorld world("nest");
    const Cgroup parent("p"), child("p/c"), grandchild("p/c/g");
    ASSERT_EQ(world.guard(parent, {"--gw", gateway, "--gw", "192.0.2.1"}).status, 0);
    EXPECT_TRUE(world.passes(grandchild, gateway)); // it inherits
    EXPECT_FALSE(world.passes(grandchild, other));
    const Output attached = world.guard(child, {"--gw", gateway, "--gw", other});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_NE(attached.out.find("--gw 203.0.113.9 is not allowed by the policy of p around it"),
              std::string::npos)
        << attached.out;
    for (const Cgroup *cgroup : {&child, &grandchild}) {
        EXPECT_TRUE(world.passes(*cgroup, gateway));
        EXPECT_FALSE(world.passes(*cgroup, other));       // the parent's word
        EXPECT_FALSE(world.passes(*cgroup, "192.0.2.1")); // its own
    }
    EXPECT_TRUE(world.passes(parent, "192.0.2.1"));
    ASSERT_EQ(world.free(parent).status, 0); // the child's stays
    EXPECT_TRUE(world.passes(child, other));
    EXPECT_FALSE(world.passes(child, "192.0.2.1"));
    EXPECT_TRUE(world.passes(parent, "203.0.113.77"));
}

// A policy around others must not make a fifth over one of them, which would be denied everything.
TEST(Cgroup, NoMoreThanFourOverOneHoweverTheyCome) {
    CgroupWorld world("deep");
    const Cgroup a("a"), b("a/b"), c("a/b/c"), d("a/b/c/d"), e("a/b/c/d/e");
    for (const Cgroup *cgroup : {&b, &c, &d, &e})
        ASSERT_EQ(world.guard(*cgroup, {"--gw", gateway}).status, 0);
    EXPECT_TRUE(world.passes(e, gateway));
    const Output outer = world.guard(a, {"--gw", gateway});
    EXPECT_EQ(outer.status, 2);
    EXPECT_NE(outer.err.find("\"a/b/c/d/e\""), std::string::npos) << outer.err;
    EXPECT_TRUE(world.passes(e, gateway));
    ASSERT_EQ(world.free(e).status, 0);
    EXPECT_EQ(world.leakbpf({"attach", "--cgroup", "a", "--cgroup", "a/b/c/d/e", "--gw", gateway}).status, 2);
    EXPECT_EQ(world.guard(a, {"--gw", gateway}).status, 0);
    EXPECT_EQ(world.guard(e, {"--gw", gateway}).status, 2);
    EXPECT_TRUE(world.passes(e, gateway));
}

TEST(Cgroup, WhatThePolicyAroundAllowsByAnotherOptionIsNotTold) {
    CgroupWorld world("told");
    const Cgroup parent("p"), child("p/c");
    ASSERT_EQ(
        world.guard(parent, {"--gw", "10.9.0.1:53/udp", "--gw", "198.51.100.0/24", "--lan", "10.7.0.0/16"})
            .status,
        0);
    const Output inside =
        world.guard(child, {"--gw", "10.7.1.1:8080/tcp", "--lan", "198.51.100.0/25", "--dns", "10.9.0.1"});
    EXPECT_EQ(inside.out.find("notice"), std::string::npos) << inside.out;
    const Output outside =
        world.guard(child, {"--gw", "198.51.100.7:53/udp", "--lan", "10.0.0.0/8", "--dns", "10.7.1.1"});
    for (const char *told : {"--gw 198.51.100.7:53/udp", "--lan 10.0.0.0/8", "--dns 10.7.1.1"})
        EXPECT_NE(outside.out.find(std::string(told) + " is not allowed"), std::string::npos) << outside.out;
}

TEST(Cgroup, ATunnelIsFreeAndAnotherDeviceIsNot) {
    CgroupWorld world("tun");
    const Cgroup cgroup("in");
    ASSERT_EQ(world.guard(cgroup, to_gateways).status, 0);
    EXPECT_EQ(world.datagram(cgroup, "203.0.113.50").error, CgroupWorld::refused());
    Fd tun = make_tun(world.host(), "tun9");
    world.host().ip("addr add 10.42.0.2/24 dev tun9\nroute add 203.0.113.50 dev tun9");
    EXPECT_EQ(world.datagram(cgroup, "203.0.113.50").error, 0);
    // The calls no longer know which way it goes; the packet does.
    EXPECT_EQ(world.datagram(cgroup, other).error, EPERM);
    tun = Fd();
    world.host().ip("link add dum0 type veth peer name dum1\nlink set dum0 up\nlink set dum1 up\nroute add "
                    "203.0.113.51 dev dum0 src 10.7.1.2");
    EXPECT_EQ(world.datagram(cgroup, "203.0.113.51").error, CgroupWorld::refused());
}

TEST(Cgroup, TheVpnUserMayTalkToAnythingAndAsNobodyElse) {
    CgroupWorld world("user");
    const Cgroup cgroup("in"), outside("out");
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--vpn-user", std::to_string(vpn_uid)}).status, 0);
    EXPECT_TRUE(world.datagram(cgroup, other, false, -1, vpn_uid).arrived);
    EXPECT_FALSE(world.datagram(cgroup, other, false, -1, user_uid).arrived);
    EXPECT_FALSE(world.datagram(cgroup, other).arrived);
    EXPECT_EQ(world.guard(cgroup, {"--gw", gateway, "--vpn-user", "0"}).status, 2);
    // There was nobody whose user namespace could be looked at.
    const Output empty = world.guard(cgroup, {"--gw", gateway, "--vpn-user", "105"});
    EXPECT_NE(empty.out.find("notice: --vpn-user 105: no process of the cgroup can be seen"),
              std::string::npos)
        << empty.out;
}

// The number that the container's user namespace shows, and not the host's user of that number, nor what a
// process sees that made one more.
TEST(Cgroup, TheVpnUserOfAUserNamespace) {
    CgroupWorld world("uns");
    const Cgroup cgroup("in"), inner("in/init");
    const auto sends_as = [&](uid_t uid) {
        if (setresuid(uid, uid, uid) != 0) throw std::runtime_error("setresuid");
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const SockAddr to(Ip::of(other), 4000);
        return sendto(socket.get(), "probe", 5, 0, to.get(), to.length) == 5;
    };
    const auto in_container = [&](uid_t uid, bool passes) {
        return std::make_unique<Puppet>(Identity{.netns = world.host().fd()},
                                        [&, uid, passes](const std::function<void()> &next) {
                                            inner.enter();
                                            if (unshare(CLONE_NEWUSER) != 0)
                                                throw std::runtime_error("unshare");
                                            next();
                                            if (sends_as(uid) != passes) throw std::runtime_error("not so");
                                        });
    };
    const auto daemon = in_container(105, true), another = in_container(105, false);
    std::ofstream(fmt::format("/proc/{}/uid_map", daemon->pid())) << "0 200000 1000\n";
    std::ofstream(fmt::format("/proc/{}/uid_map", another->pid())) << "0 300000 2000\n";
    const Output attached = world.guard(cgroup, {"--gw", gateway, "--vpn-user", "105"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_EQ(attached.out.find("user of the host"), std::string::npos) << attached.out;
    EXPECT_NE(attached.out.find("sockets that are there already"), std::string::npos) << attached.out;
    EXPECT_EQ(another->step(), "");
    EXPECT_EQ(daemon->step(), "");
    EXPECT_FALSE(world.datagram(cgroup, other, false, -1, 105).arrived); // the host's
    EXPECT_TRUE(world.datagram(cgroup, other, false, -1, 200105).arrived);
}

// Of the network namespace in which the cgroup's processes are; of any while there is none.
TEST(Cgroup, TheVpnUserOfOneNetworkNamespace) {
    CgroupWorld world("uns2");
    Netns box("lk-cg-uns2-box");
    world.far().ip(fmt::format("link add box type veth peer name eth0 netns {}\nlink set box up\n"
                               "addr add 10.8.0.1/24 dev box",
                               box.name()));
    box.ip("link set eth0 up\naddr add 10.8.0.2/24 dev eth0\nroute add default via 10.8.0.1\n"
           "neigh replace 10.8.0.1 lladdr 02:00:00:00:00:99 dev eth0 nud permanent");
    const Cgroup cgroup("in"), inner("in/init"), second("in/other");
    const std::vector<std::string> policy{"--gw", gateway, "--vpn-user", std::to_string(vpn_uid)};
    ASSERT_EQ(world.guard(cgroup, policy).status, 0);
    for (const int netns : {world.host().fd(), box.fd()})
        EXPECT_TRUE(world.datagram(cgroup, other, false, netns, vpn_uid).arrived);
    const auto process_in = [&](const Cgroup &where, int netns) {
        return std::make_unique<Puppet>(Identity{.netns = netns}, [&](const std::function<void()> &next) {
            where.enter();
            next();
        });
    };
    const auto init = process_in(inner, world.host().fd());
    ASSERT_EQ(world.guard(cgroup, policy).status, 0);
    EXPECT_TRUE(world.datagram(cgroup, other, false, world.host().fd(), vpn_uid).arrived);
    EXPECT_TRUE(world.datagram(cgroup, other, true, world.host().fd(), vpn_uid).arrived);
    EXPECT_EQ(world.datagram(cgroup, other, false, box.fd(), vpn_uid).error, CgroupWorld::refused());
    EXPECT_TRUE(world.datagram(cgroup, gateway, false, box.fd(), vpn_uid).arrived);
    const auto elsewhere = process_in(second, box.fd());
    const Output two = world.guard(cgroup, policy);
    EXPECT_EQ(two.status, 2);
    EXPECT_NE(two.err.find("several network namespaces"), std::string::npos) << two.err;
}

TEST(Cgroup, AnotherPolicyHoldsForOpenSockets) {
    CgroupWorld world("repl");
    const Cgroup cgroup("in");
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    Puppet sender({.netns = world.host().fd()}, [&](const std::function<void()> &next) {
        cgroup.enter();
        const Fd first(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const SockAddr to(Ip::of(gateway), 4000);
        if (connect(first.get(), to.get(), to.length) != 0) throw std::runtime_error("connect");
        if (send(first.get(), "one", 3, 0) != 3) throw std::runtime_error("the first should pass");
        next();
        if (send(first.get(), "two", 3, 0) >= 0) throw std::runtime_error("the second should not");
        next();
        if (send(first.get(), "three", 5, 0) != 5) throw std::runtime_error("the third should pass");
    });
    ASSERT_EQ(world.guard(cgroup, {"--gw", other}).status, 0);
    EXPECT_EQ(sender.step(), "");
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    EXPECT_EQ(sender.step(), "");
    EXPECT_FALSE(world.passes(cgroup, other));
}

TEST(Cgroup, ASocketThatIsLeftOfARemovedCgroupStaysUnderItsPolicy) {
    CgroupWorld world("gone");
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const Fd ours(pair[0]), theirs(pair[1]);
    auto cgroup = std::make_unique<Cgroup>("in");
    ASSERT_EQ(world.guard(*cgroup, {"--gw", gateway}).status, 0);
    EXPECT_EQ(world.inside(*cgroup,
                           [&] {
                               const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                               send_fd(theirs.get(), socket.get());
                               return 0;
                           }),
              0);
    const Fd left = receive_fd(ours.get());
    cgroup.reset();
    const Cgroup next("next"); // attaching here looks for those that are gone
    for (int turn = 0; turn < 4; ++turn)
        ASSERT_EQ(world.guard(next, {"--gw", fmt::format("192.0.2.{}", turn + 1)}).status, 0);
    const SockAddr to(Ip::of(other), 4000), good(Ip::of(gateway), 4000);
    EXPECT_LT(sendto(left.get(), "probe", 5, 0, to.get(), to.length), 0);
    EXPECT_EQ(sendto(left.get(), "probe", 5, 0, good.get(), good.length), 5);
}

TEST(Cgroup, ManyComeAndGo) {
    CgroupWorld world("many");
    const Cgroup kept("kept");
    ASSERT_EQ(world.guard(kept, {"--gw", gateway}).status, 0);
    for (int turn = 0; turn < 40; ++turn) {
        const Cgroup cgroup(fmt::format("short{}", turn));
        ASSERT_EQ(world.guard(cgroup, {"--gw", other}).status, 0);
        ASSERT_TRUE(world.passes(cgroup, other));
        ASSERT_FALSE(world.passes(cgroup, gateway));
    }
    EXPECT_TRUE(world.passes(kept, gateway));
    EXPECT_FALSE(world.passes(kept, other));
}

TEST(Cgroup, StatusNamesThemAsPeopleDo) {
    CgroupWorld world("stat");
    const std::string id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const Cgroup slice("machine.slice"), container("machine.slice/docker-" + id + ".scope");
    ASSERT_EQ(world.leakbpf({"attach", "--cgroup", "container:0123456789ab", "--gw", gateway}).status, 0);
    ASSERT_EQ(world.leakbpf({"attach", "--cgroup", "machine.slice", "--gw", gateway}).status, 0);
    EXPECT_EQ(world.leakbpf({"attach", "--cgroup", "container:ffffffffffff", "--gw", gateway}).status, 2);
    EXPECT_EQ(world.leakbpf({"attach", "--cgroup", "nginx.service", "--gw", gateway}).status, 2);
    EXPECT_EQ(world.leakbpf({"attach", "--cgroup", "/", "--gw", gateway}).status, 2);
    EXPECT_EQ(
        world.leakbpf({"attach", "--cgroup", "machine.slice", "--gw", gateway, "--serve", "tcp/80"}).status,
        2);
    const auto json = nlohmann::json::parse(world.leakbpf({"--json", "status", "--cgroups"}).out);
    ASSERT_EQ(json["cgroups"].size(), 3u); // that of ProgramsKept first
    EXPECT_EQ(json["cgroups"][1]["unit"], "machine.slice");
    EXPECT_EQ(json["cgroups"][2]["container"], id);
    const Output plain = world.leakbpf({"status"});
    EXPECT_EQ(plain.status, 7); // of uplinks there is none
    EXPECT_NE(plain.out.find("leakbpf status --cgroups"), std::string::npos) << plain.out;
    Puppet process({.netns = world.host().fd()}, [&](const std::function<void()> &next) {
        container.enter();
        next();
    });
    const Output status = world.leakbpf({"status", "--pid", std::to_string(process.pid())});
    EXPECT_EQ(status.status, 0) << status.err;
    EXPECT_LT(status.out.find("cgroup machine.slice,"), status.out.find("container 0123456789ab"));
}
