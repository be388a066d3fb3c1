// SPDX-License-Identifier: MIT
// The second gate: an uplink that nobody has looked at yet. The follower is stopped, so that what is seen is
// what the kernel does by itself, for as long as it takes.
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>

#include <gmock/gmock.h>

#include "harness/sender.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using testing::Contains;
using testing::Not;

namespace {

class Gate : public testing::Test {
  protected:
    Gate() : world_("gate") {}
    void TearDown() override {
        if (pid_ > 0) kill(pid_, SIGCONT);
    }

    // Attached with a follower, which then is stopped.
    void attach_and_stop(const std::vector<std::string> &args = {"eth0", "--gw", "198.51.100.7", "--vpn-user",
                                                                 std::to_string(vpn_uid)}) {
        const Output attached = world_.attach(args);
        ASSERT_EQ(attached.status, 0) << attached.err;
        pid_ = world_.follower();
        ASSERT_GT(pid_, 0);
        kind_ = world_.status().value("gate", "");
        ASSERT_THAT(kind_, testing::AnyOf("netfilter", "cgroup"));
        ASSERT_EQ(kill(pid_, SIGSTOP), 0);
    }
    void go_on() { kill(pid_, SIGCONT); }

    // A better way out than eth0.
    void plug_in() {
        world_.plug("eth1", 2);
        world_.host().ip("route replace default via 10.7.2.1 dev eth1");
    }

    // Packets that the gate held back.
    std::uint64_t held() const {
        std::uint64_t packets = 0;
        const auto status = world_.status();
        for (const auto &counter : status["counters"])
            if (counter["hook"] == "gate") packets += counter["packets"].get<std::uint64_t>();
        return packets;
    }

    CliWorld world_;
    pid_t pid_ = 0;
    std::string kind_;
};

} // namespace

TEST_F(Gate, HoldsWhatAnUnseenUplinkWouldLetOut) {
    ASSERT_NO_FATAL_FAILURE(attach_and_stop());
    plug_in();
    EXPECT_FALSE(world_.leaks());
    EXPECT_FALSE(world_.passes("10.7.2.1")); // its LAN is not known yet
    EXPECT_FALSE(world_.passes("198.51.100.8"));
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_FALSE(world_.passes("203.0.113.9", nullptr, nullptr, user_uid));
    EXPECT_TRUE(world_.passes("203.0.113.9", nullptr, nullptr, vpn_uid));
    EXPECT_GE(held(), 4u);
    go_on();
    EXPECT_TRUE(eventually([&] { return testing::Value(world_.guarded(), Contains("eth1")); }));
    EXPECT_TRUE(eventually([&] { return world_.passes("10.7.2.1"); }));
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_FALSE(world_.leaks());
}

// The case beside it, so that the one above is known to be able to fail.
TEST_F(Gate, WithoutItTheUplinkIsOpen) {
    const Output attached = world_.attach({"eth0", "--gw", "198.51.100.7", "--no-follow"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_EQ(world_.status()["gate"], "none");
    plug_in();
    EXPECT_TRUE(world_.leaks());
}

TEST_F(Gate, HoldsWhatIsForwarded) {
    ASSERT_NO_FATAL_FAILURE(attach_and_stop());
    if (kind_ != "netfilter") GTEST_SKIP() << "the gate of this kernel sees local sockets only";
    Netns container("lk-gate-ct");
    go_on();
    world_.host().ip(fmt::format("link add ct0 type veth peer name eth0 netns {}\nlink set ct0 up\n"
                                 "addr add 10.44.0.1/24 dev ct0",
                                 container.name()));
    container.ip("link set eth0 up\naddr add 10.44.0.2/24 dev eth0\nroute add default via 10.44.0.1");
    world_.host().sysctl("ipv4/ip_forward", "1");
    const auto inside_known = [&] {
        lk::Fd there;
        const SockAddr own(Ip::of("10.44.0.2"), 4000);
        container.inside([&] {
            there.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            const timeval limit{0, 100'000};
            setsockopt(there.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
            EXPECT_EQ(bind(there.get(), own.get(), own.length), 0);
        });
        world_.host().inside([&] {
            const lk::Fd here(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            sendto(here.get(), "known", 5, 0, own.get(), own.length);
        });
        char data[16];
        return recv(there.get(), data, sizeof(data), 0) == 5;
    };
    ASSERT_TRUE(eventually(inside_known));
    ASSERT_EQ(kill(pid_, SIGSTOP), 0);
    plug_in();
    const std::uint64_t before = held();
    EXPECT_FALSE(world_.passes_from(container, "203.0.113.9"));
    EXPECT_TRUE(world_.passes_from(container, "198.51.100.7"));
    EXPECT_GE(held(), before + 1);
}

TEST_F(Gate, ANewTunnelNeedsNobody) {
    ASSERT_NO_FATAL_FAILURE(attach_and_stop());
    if (kind_ != "netfilter") GTEST_SKIP() << "the gate of this kernel does not see what kind a device is";
    world_.host().ip("tuntap add dev tun9 mode tun\nlink set tun9 up\naddr add 10.45.0.2/24 dev tun9");
    const std::uint64_t before = held();
    world_.passes("10.45.0.1");
    EXPECT_EQ(held(), before);
}

TEST_F(Gate, TheFollowerTellsItOfInsideDevicesAndPutsItBack) {
    ASSERT_NO_FATAL_FAILURE(attach_and_stop());
    go_on();
    for (const auto &pin : pins())
        if (pin.find("/links/gate-") != std::string::npos) std::filesystem::remove(pin);
    EXPECT_TRUE(eventually([&] { return world_.status()["gate"] == kind_; }, 15s));
    ASSERT_EQ(kill(pid_, SIGSTOP), 0);
    plug_in();
    EXPECT_FALSE(world_.leaks());
}

TEST_F(Gate, GoesWithDetachAndWhereNoUplinkIsTakenIn) {
    ASSERT_NO_FATAL_FAILURE(attach_and_stop());
    go_on();
    ASSERT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7", "--only"}).status, 0);
    EXPECT_EQ(world_.status()["gate"], "none");
    plug_in();
    EXPECT_TRUE(world_.leaks()); // as --only says
    ASSERT_EQ(world_.leakbpf({"detach", "--all"}).status, 0);
    EXPECT_EQ(pins(), none);
}

// A veth is a way to containers, until a default route makes it an uplink.
TEST_F(Gate, HoldsAWayToContainersThatBecomesOneOut) {
    world_.plug("eth1", 2);
    world_.host().ip("addr add fe80::2/64 dev eth1 nodad\naddr add 2001:db8:72::2/64 dev eth1 nodad\n"
                     "neigh replace fe80::1 lladdr 02:00:00:07:02:01 dev eth1 nud permanent");
    const char *gateway6 = "2001:db8:100::7";
    ASSERT_NO_FATAL_FAILURE(attach_and_stop({"eth0", "--gw", "198.51.100.7", "--gw", gateway6}));
    if (kind_ != "netfilter")
        GTEST_SKIP() << "the gate of this kernel does not see by which route a packet goes";
    const std::uint64_t before = held();
    EXPECT_TRUE(world_.passes("10.7.2.1"));
    EXPECT_EQ(held(), before);
    world_.host().ip("route replace default via 10.7.2.1 dev eth1\n"
                     "route replace default via fe80::1 dev eth1\n"
                     "route replace 10.77.0.0/24 via 10.7.2.1 dev eth1");
    EXPECT_FALSE(world_.leaks());
    EXPECT_FALSE(world_.passes("2001:db8:f::9"));
    EXPECT_GE(held(), before + 2);
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_TRUE(world_.passes(gateway6));
    EXPECT_TRUE(world_.passes("10.7.2.1"));
    EXPECT_FALSE(world_.passes("10.77.0.9"));
    go_on();
    EXPECT_TRUE(eventually([&] { return testing::Value(world_.guarded(), Contains("eth1")); }));
    EXPECT_FALSE(world_.leaks());
}

// What containers route was there, or is let through as soon as the follower has seen it.
TEST_F(Gate, LetsContainersRoute) {
    world_.plug("eth1", 2);
    world_.host().ip("route add 203.0.113.0/26 via 10.7.2.1 dev eth1");
    ASSERT_NO_FATAL_FAILURE(attach_and_stop());
    EXPECT_TRUE(world_.passes("203.0.113.9"));
    go_on();
    world_.plug("eth2", 3);
    world_.host().ip("route add 203.0.113.64/26 via 10.7.3.1 dev eth2");
    EXPECT_TRUE(eventually([&] { return world_.passes("203.0.113.77"); }));
    EXPECT_TRUE(world_.passes("203.0.113.9"));
    EXPECT_FALSE(world_.passes("203.0.113.201"));
}

TEST_F(Gate, AllUplinksMayBeNone) {
    world_.host().ip("link del eth0");
    const Output attached = world_.attach({"--all-uplinks", "--gw", "198.51.100.7"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    pid_ = world_.follower();
    ASSERT_GT(pid_, 0);
    // Below Linux 6.4 a veth is inside until it is known to have a default route, and open for that long.
    ASSERT_EQ(kill(pid_, SIGSTOP), 0);
    plug_in();
    EXPECT_FALSE(world_.leaks());
    go_on();
    EXPECT_TRUE(eventually([&] { return testing::Value(world_.guarded(), Contains("eth1")); }));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(world_.gateway_reached());
}

TEST_F(Gate, AllUplinksAreAllUplinks) {
    world_.plug("eth1", 2);
    ASSERT_EQ(world_.attach({"--all-uplinks", "--gw", "198.51.100.7"}).status, 0);
    EXPECT_THAT(world_.guarded(), testing::ElementsAre("eth0"));
    const Output both = world_.attach({"eth0", "--all-uplinks", "--gw", "198.51.100.7"});
    EXPECT_EQ(both.status, 2);
    EXPECT_THAT(both.err, testing::HasSubstr("--all-uplinks"));
}
