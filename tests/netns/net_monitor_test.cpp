// SPDX-License-Identifier: MIT
// The monitor follows what happens to real devices, addresses and routes.
#include <random>

#include <gtest/gtest.h>

#include "harness/process.h"
#include "net_watch.h"

namespace lk {
namespace {

using harness::Netns;
using test::has_address;
using test::has_default;
using test::has_hop;
using test::snapshot;
using test::Watch;

class MonitorTest : public testing::Test {
  protected:
    MonitorTest() {
        netns_.ip("link add v0 type veth peer name v1\nlink add w0 type veth peer name w1\n"
                  "link set v0 up\nlink set v1 up\nlink set w0 up\nlink set w1 up\n"
                  "addr add 198.51.100.7/24 dev v0\naddr add 203.0.113.7/24 dev w0");
    }

    Netns netns_{"lk-a"};
};

TEST_F(MonitorTest, BeginsWithWhatIsThere) {
    Watch watch(netns_);
    EXPECT_TRUE(watch.until_true()) << watch.topology() << "but in truth\n" << snapshot(netns_);
    EXPECT_TRUE(has_address(watch.topology(), "v0", "198.51.100.7"));
}

TEST_F(MonitorTest, NothingWaitsWhenNothingHappens) {
    Watch watch(netns_);
    ASSERT_TRUE(watch.until_true());
    pollfd waiting{.fd = watch.monitor().fd(), .events = POLLIN, .revents = 0};
    // Quiet comes once the kernel has done with its own link-local addresses; a descriptor left readable
    // never is.
    bool quiet = false;
    for (int turn = 0; turn < 100 && !quiet; ++turn) {
        watch.handle();
        quiet = poll(&waiting, 1, 50) == 0;
    }
    EXPECT_TRUE(quiet);
}

TEST_F(MonitorTest, Addresses) {
    Watch watch(netns_);
    netns_.ip("addr add 198.51.100.8/24 dev v0");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return has_address(seen, "v0", "198.51.100.8"); }));
    netns_.ip("addr add 2001:db8::8/64 dev v0");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return has_address(seen, "v0", "2001:db8::8"); }));
    netns_.ip("addr change 2001:db8::8 peer 2001:db8::9 dev v0");
    EXPECT_TRUE(watch.until_true()) << watch.topology();
    netns_.ip("addr del 198.51.100.8/24 dev v0");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return !has_address(seen, "v0", "198.51.100.8"); }));
    netns_.ip("addr flush dev v0");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return seen.find("v0")->addresses.empty(); }));
    EXPECT_TRUE(watch.until_true());
}

TEST_F(MonitorTest, ATentativeAddressIsThereAtOnceAndBecomesPermanent) {
    netns_.sysctl("ipv6/conf/v0/accept_dad", "1");
    Watch watch(netns_);
    const auto tentative = [](bool wanted) {
        return [wanted](const Topology &seen) {
            for (const DeviceAddress &one : seen.find("v0")->addresses)
                if (one.address.str() == "2001:db8::8") return one.tentative == wanted;
            return false;
        };
    };
    netns_.ip("addr add 2001:db8::8/64 dev v0");
    EXPECT_TRUE(watch.until(tentative(true)));
    EXPECT_TRUE(watch.until(tentative(false)));
}

TEST_F(MonitorTest, DevicesComeAndGo) {
    Watch watch(netns_);
    netns_.ip("link add x0 type veth peer name x1");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return seen.find("x0") && seen.find("x1"); }));
    netns_.ip("link set x0 name y0");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return !seen.find("x0") && seen.find("y0"); }));
    netns_.ip("link set y0 up");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return seen.find("y0")->up; }));
    netns_.ip("link add br0 type bridge\nlink set y0 master br0");
    EXPECT_TRUE(watch.until([](const Topology &seen) {
        return seen.find("br0") && seen.find("y0")->master == seen.find("br0")->ifindex;
    }));
    netns_.ip("link set y0 nomaster");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return seen.find("y0")->master == 0; }));
    netns_.ip("link add mv0 link v0 type macvlan");
    EXPECT_TRUE(watch.until([](const Topology &seen) {
        return seen.find("mv0") && seen.find("mv0")->lower == seen.find("v0")->ifindex;
    }));
    netns_.ip("link del y0");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return !seen.find("y0") && !seen.find("x1"); }));
    EXPECT_TRUE(watch.until_true());
}

TEST_F(MonitorTest, ADeviceMovesAwayAndComesBack) {
    Netns other("lk-b");
    netns_.ip("route add default via 198.51.100.1");
    Watch watch(netns_);
    netns_.ip("link set v0 netns lk-b");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return !seen.find("v0"); }));
    EXPECT_TRUE(watch.until_true());
    other.ip("link set v0 netns lk-a");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return seen.find("v0") != nullptr; }));
    EXPECT_TRUE(watch.until_true()) << watch.topology();
    EXPECT_FALSE(has_default(watch.topology(), "v0"));
}

// Of a macvlan whose carrier moves, the kernel tells nothing.
TEST_F(MonitorTest, WhatCarriesADeviceMovesAwayAndComesBack) {
    Netns other("lk-b");
    netns_.ip("link add mv0 link v0 type macvlan\nlink add mv1 link mv0 type macvlan");
    Watch watch(netns_);
    netns_.ip("link set v0 netns lk-b");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return seen.find("mv0")->lower_elsewhere; }));
    EXPECT_TRUE(watch.until_true()) << watch.topology();
    Watch later(netns_);
    other.ip("link set v0 netns lk-a");
    EXPECT_TRUE(watch.until_true()) << watch.topology();
    EXPECT_TRUE(later.until_true()) << later.topology();
    EXPECT_EQ(later.topology().find("mv0")->lower, later.topology().find("v0")->ifindex);
}

TEST_F(MonitorTest, DefaultRoutes) {
    Watch watch(netns_);
    netns_.ip("route add default via 198.51.100.1 table 100");
    EXPECT_TRUE(watch.until(
        [](const Topology &seen) { return has_default(seen, "v0") && has_hop(seen, "v0", "198.51.100.1"); }));
    netns_.ip("route del default table 100");
    EXPECT_TRUE(watch.until([](const Topology &seen) {
        return !has_default(seen, "v0") && !has_hop(seen, "v0", "198.51.100.1");
    }));
    netns_.ip("route add ::/0 via fe80::1 dev v0");
    EXPECT_TRUE(watch.until(
        [](const Topology &seen) { return has_default(seen, "v0") && has_hop(seen, "v0", "fe80::1"); }));
    netns_.ip("route del ::/0");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return !has_default(seen, "v0"); }));
    EXPECT_TRUE(watch.until_true());
}

TEST_F(MonitorTest, ANextHopStaysWhileAnyRouteHasIt) {
    netns_.ip("route add 10.1.0.0/16 via 198.51.100.3\nroute add 10.2.0.0/16 via 198.51.100.3");
    Watch watch(netns_);
    netns_.ip("route del 10.1.0.0/16");
    EXPECT_TRUE(watch.until_true());
    EXPECT_TRUE(has_hop(watch.topology(), "v0", "198.51.100.3"));
    netns_.ip("route del 10.2.0.0/16");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return !has_hop(seen, "v0", "198.51.100.3"); }));
}

TEST_F(MonitorTest, RoutesThatAreReplaced) {
    Watch watch(netns_);
    netns_.ip("route add default via 198.51.100.1");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return has_default(seen, "v0"); }));
    netns_.ip("route replace default via 203.0.113.1");
    EXPECT_TRUE(watch.until([](const Topology &seen) {
        return has_default(seen, "w0") && !has_default(seen, "v0") && !has_hop(seen, "v0", "198.51.100.1");
    }));
    netns_.ip("route replace default nexthop via 198.51.100.1 nexthop via 203.0.113.2");
    EXPECT_TRUE(watch.until([](const Topology &seen) {
        return has_default(seen, "w0") && has_default(seen, "v0") && has_hop(seen, "w0", "203.0.113.2") &&
               !has_hop(seen, "w0", "203.0.113.1");
    }));
    netns_.ip("route add 2001:db8:9::/48 via fe80::1 dev v0\n"
              "route append 2001:db8:9::/48 via fe80::2 dev w0\n"
              "route replace 2001:db8:9::/48 via fe80::3 dev w0");
    EXPECT_TRUE(watch.until_true()) << watch.topology();
}

// The kernel drops the IPv4 routes of a device that goes down, and those with a source address that goes, and
// tells nobody.
TEST_F(MonitorTest, RoutesThatGoInSilence) {
    netns_.ip("addr add 198.51.100.9/24 dev v0\nroute add default via 203.0.113.1 src 198.51.100.9\n"
              "route add 10.0.0.0/8 via 203.0.113.2");
    Watch watch(netns_);
    EXPECT_TRUE(has_default(watch.topology(), "w0"));
    netns_.ip("addr del 198.51.100.9/24 dev v0");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return !has_default(seen, "w0"); }));
    EXPECT_TRUE(has_hop(watch.topology(), "w0", "203.0.113.2"));
    netns_.ip("link set w0 down");
    EXPECT_TRUE(watch.until([](const Topology &seen) { return !has_hop(seen, "w0", "203.0.113.2"); }));
    EXPECT_TRUE(watch.until_true());
}

TEST_F(MonitorTest, NexthopObjects) {
    for (const char *told : {"0", "1"}) {
        netns_.sysctl("ipv4/nexthop_compat_mode", told);
        Watch watch(netns_);
        netns_.ip("nexthop add id 7 via 198.51.100.4 dev v0\nroute add default nhid 7");
        EXPECT_TRUE(watch.until([](const Topology &seen) {
            return has_default(seen, "v0") && has_hop(seen, "v0", "198.51.100.4");
        }));
        netns_.ip("nexthop replace id 7 via 203.0.113.4 dev w0");
        EXPECT_TRUE(watch.until([](const Topology &seen) {
            return has_default(seen, "w0") && has_hop(seen, "w0", "203.0.113.4") && !has_default(seen, "v0");
        })) << told;
        netns_.ip("nexthop del id 7");
        EXPECT_TRUE(watch.until([](const Topology &seen) { return !has_default(seen, "w0"); })) << told;
        EXPECT_TRUE(watch.until_true());
    }
}

// A buffer that holds a few events only: what was lost is found by reading again.
TEST_F(MonitorTest, LostEvents) {
    Watch watch(netns_, 4096);
    std::string lines;
    for (int i = 1; i <= 120; ++i)
        lines += fmt::format("addr add 10.0.{0}.1/24 dev v0\nroute add 10.100.{0}.0/24 via 10.0.{0}.2\n", i);
    lines += "link add late0 type veth peer name late1\nlink set late0 up\nlink set late1 up\n"
             "addr add 10.200.0.1/24 dev late0\nroute add default via 10.200.0.2 table 7\nlink set w0 "
             "down\nlink set w0 name z0\n";
    netns_.ip(lines);
    EXPECT_TRUE(watch.until([](const Topology &seen) {
        return has_default(seen, "late0") && seen.find("z0") && has_address(seen, "v0", "10.0.120.1") &&
               has_hop(seen, "v0", "10.0.120.2");
    }));
    EXPECT_TRUE(watch.until_true()) << watch.topology() << "but in truth\n" << snapshot(netns_);

    lines = "link del late0\n";
    for (int i = 1; i <= 120; ++i)
        lines += fmt::format("addr del 10.0.{0}.1/24 dev v0\n", i);
    netns_.ip(lines);
    EXPECT_TRUE(watch.until_true()) << watch.topology() << "but in truth\n" << snapshot(netns_);
    EXPECT_FALSE(has_address(watch.topology(), "v0", "10.0.120.1"));
}

// Whatever happens, in whatever order and however little of it is heard, the end is the truth.
TEST_F(MonitorTest, RandomChangesEndInTheTruth) {
    const unsigned seed = testing::UnitTest::GetInstance()->random_seed() + 1u;
    SCOPED_TRACE(fmt::format("seed {}", seed));
    std::mt19937 random(seed);
    const auto any = [&](std::initializer_list<const char *> choices) {
        return *(choices.begin() + random() % choices.size());
    };
    Watch loud(netns_), quiet(netns_, 4096);
    for (int round = 0; round < 15; ++round) {
        std::string lines;
        for (int i = 0; i < 30; ++i) {
            const char *device = any({"v0", "w0", "a0", "b0"});
            const unsigned byte = 1 + random() % 3;
            lines += fmt::format(fmt::runtime(any({"link add a0 type veth peer name a1",
                                                   "link add {0} type veth peer name {0}x",
                                                   "link del {0}",
                                                   "link set {0} up",
                                                   "link set {0} down",
                                                   "link set {0} up",
                                                   "addr add 10.0.{1}.1/24 dev {0}",
                                                   "addr add 10.0.{1}.1/24 dev {0}",
                                                   "addr del 10.0.{1}.1/24 dev {0}",
                                                   "addr add 2001:db8:{1}::1/64 dev {0}",
                                                   "addr del 2001:db8:{1}::1/64 dev {0}",
                                                   "route add default via 10.0.{1}.2",
                                                   "route replace default via 10.0.{1}.3",
                                                   "route del default",
                                                   "route add 10.{1}.0.0/16 via 10.0.{1}.4 dev {0} onlink",
                                                   "route append 10.{1}.0.0/16 via 10.0.{1}.5 dev {0} onlink",
                                                   "route del 10.{1}.0.0/16",
                                                   "route append 2001:db8:9::/48 via fe80::{1} dev {0}",
                                                   "route replace 2001:db8:9::/48 via fe80::{1} dev {0}",
                                                   "route del 2001:db8:9::/48"})),
                                 device, byte);
            lines += "\n";
        }
        // Most of these are refused, which is as good as any other order.
        harness::run({"ip", "-force", "-batch", "-"}, {.netns = netns_.fd(), .input = lines});
        ASSERT_TRUE(loud.until_true()) << loud.topology() << "but in truth\n" << snapshot(netns_) << lines;
        ASSERT_TRUE(quiet.until_true()) << quiet.topology() << "but in truth\n" << snapshot(netns_) << lines;
    }
}

TEST_F(MonitorTest, ChangesInClsact) {
    const auto tc = [&](const std::string &words) {
        const auto output = harness::run({"sh", "-c", "tc " + words}, {.netns = netns_.fd()});
        EXPECT_EQ(output.status, 0) << words << ": " << output.err;
    };
    const int v0 = netns_.ifindex("v0"), w0 = netns_.ifindex("w0");
    const std::string filter = " pref 7 protocol ip u32 match ip dst 192.0.2.1 flowid 1:1";
    tc("qdisc add dev v0 clsact && tc qdisc add dev w0 clsact");
    Watch watch(netns_);
    const auto changed = [&] { // handle() takes in all that waits
        watch.handle();
        return watch.monitor().take_clsact_changes();
    };
    EXPECT_FALSE(changed().concern(v0));
    for (const std::string &words :
         {"filter add dev v0 egress" + filter, "filter replace dev v0 egress handle 800::800" + filter,
          std::string("filter del dev v0 egress pref 7"), "filter add dev v0 ingress" + filter,
          std::string("filter del dev v0 ingress"), std::string("qdisc del dev v0 clsact")}) {
        tc(words);
        const auto seen = changed();
        EXPECT_TRUE(seen.concern(v0)) << words;
        EXPECT_FALSE(seen.concern(w0)) << words;
        EXPECT_FALSE(changed().concern(v0)) << "told twice";
    }
    tc("qdisc replace dev v0 root handle 1: pfifo && tc qdisc del dev v0 root");
    EXPECT_FALSE(changed().concern(v0)) << "a queue is none of it";
    Watch deaf(netns_, 4096);
    tc("qdisc add dev v0 clsact");
    for (int i = 1; i <= 30; ++i)
        tc(fmt::format("filter add dev v0 egress pref {} protocol ip u32 match ip dst 192.0.2.1 flowid 1:1",
                       i));
    deaf.handle();
    EXPECT_TRUE(deaf.monitor().take_clsact_changes().concern(w0)) << "events were lost, so it may be any";
}

// 20,000 routes: none of their events may delay what happens to devices, or set off readings without end.
TEST_F(MonitorTest, AFloodOfRoutes) {
    std::string add, remove;
    for (int i = 0; i < 20'000; ++i) {
        add += fmt::format("route add 10.{}.{}.0/28 via 198.51.100.3\n", 16 + i / 256, i % 256);
        remove += fmt::format("route del 10.{}.{}.0/28\n", 16 + i / 256, i % 256);
    }
    Watch watch(netns_);
    netns_.ip(add);
    netns_.ip(remove + "link set w0 name z0");
    ASSERT_TRUE(watch.handle());
    EXPECT_TRUE(watch.topology().find("z0")) << "not in the first turn, before 40,000 events of routes";
    EXPECT_TRUE(watch.until_true());
    EXPECT_FALSE(has_hop(watch.topology(), "v0", "198.51.100.3"));
}

} // namespace
} // namespace lk
