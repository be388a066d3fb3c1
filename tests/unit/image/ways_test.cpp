// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <linux/if_arp.h>

#include <utility>

#include <gtest/gtest.h>

#include "image/build_ways.h"

namespace lk {
namespace {

Address address(const char *text) {
    return *Address::parse(text);
}

struct Machine {
    Topology topology;
    std::vector<DeviceClass> classes;

    Device &add(int ifindex, DeviceClass its, std::vector<DeviceAddress> addresses) {
        Device device;
        device.ifindex = ifindex;
        device.name = "d" + std::to_string(ifindex);
        device.arphrd = ARPHRD_NONE;
        device.up = true;
        device.addresses = std::move(addresses);
        topology.devices.push_back(device);
        classes.push_back(its);
        return topology.devices.back();
    }

    lk_policy ways(const std::vector<const char *> &resolvers,
                   const std::vector<const char *> &of_other_scopes = {}) const {
        const auto parsed = [](const std::vector<const char *> &words) {
            std::vector<Resolver> all;
            for (const char *word : words)
                all.push_back(*Resolver::parse(word));
            return all;
        };
        Policy policy;
        policy.resolvers = parsed(resolvers);
        lk_policy record{};
        add_ways(record, policy, parsed(of_other_scopes), topology, classes);
        return record;
    }
};

DeviceAddress own(const char *text, unsigned length) {
    return {address(text), length};
}

TEST(Ways, AnUplinkIsNone) {
    Machine machine;
    machine.add(2, DeviceClass::uplink, {own("10.42.0.2", 24)}).default_route = true;
    machine.add(3, DeviceClass::inside, {own("10.42.0.3", 24)});
    EXPECT_EQ(machine.ways({"10.42.0.1"}).way4.ifindex, 0u);
}

TEST(Ways, ATunnelIsOneWithItsAddressAndPort) {
    Machine machine;
    machine.add(4, DeviceClass::tunnel, {own("10.42.0.2", 24), own("fd42::2", 64)});
    const lk_policy record = machine.ways({"10.42.0.1:5353", "fd42::1"});
    EXPECT_EQ(record.way4.ifindex, 4u);
    EXPECT_EQ(Address::from_abi(record.way4.resolver).str(), "10.42.0.1");
    EXPECT_EQ(Address::from_abi(record.way4.source).str(), "10.42.0.2");
    EXPECT_EQ(ntohs(record.way4.port), 5353);
    EXPECT_EQ(record.way4.neighbour, 0);
    EXPECT_EQ(Address::from_abi(record.way6.source).str(), "fd42::2");
}

// Not by a default route: what else leads to the resolver is not known.
TEST(Ways, ATunnelWhosePrefixHoldsTheResolverIsItsRoute) {
    const auto routed = [](unsigned prefix_length, bool default_route) {
        Machine machine;
        machine.add(4, DeviceClass::tunnel, {own("10.42.0.2", prefix_length)}).default_route = default_route;
        const lk_policy record = machine.ways({"10.42.0.1"});
        EXPECT_EQ(record.way4.ifindex, 4u);
        return record.way4.routed != 0;
    };
    EXPECT_TRUE(routed(24, false));
    EXPECT_FALSE(routed(32, true));
    EXPECT_FALSE(routed(32, false));
}

// A container's network, say, or another tunnel.
TEST(Ways, ADeviceWhosePrefixIsNoWiderTakesTheResolversPackets) {
    const auto routed = [](unsigned prefix_length, bool default_route, unsigned other_length) {
        Machine machine;
        machine.add(4, DeviceClass::tunnel, {own("10.42.0.2", prefix_length)}).default_route = default_route;
        machine.add(5, DeviceClass::inside, {own("10.42.0.9", other_length)});
        return machine.ways({"10.42.0.1"}).way4.routed != 0;
    };
    EXPECT_TRUE(routed(24, false, 16));
    EXPECT_FALSE(routed(24, false, 24));
    EXPECT_FALSE(routed(24, false, 28));
}

TEST(Ways, WhatCannotSendIsNone) {
    const auto none = [](DeviceAddress address, bool up) {
        Machine machine;
        machine.add(4, DeviceClass::tunnel, {std::move(address)}).up = up;
        const lk_policy record = machine.ways({"10.42.0.1", "fd42::1"});
        return record.way4.ifindex == 0 && record.way6.ifindex == 0;
    };
    EXPECT_FALSE(none(own("10.42.0.2", 24), true));
    EXPECT_TRUE(none(own("10.42.0.2", 24), false));
    EXPECT_TRUE(none(own("10.42.0.1", 24), true)) << "the resolver's own address";
    EXPECT_TRUE(none(own("fe80::2", 64), true));
    DeviceAddress tentative = own("fd42::2", 64);
    tentative.tentative = true;
    EXPECT_TRUE(none(tentative, true));
}

TEST(Ways, OfSeveralTheNearestThenTheDefaultRouteThenTheFirst) {
    Machine machine;
    machine.add(4, DeviceClass::tunnel, {own("10.1.0.2", 24)});
    machine.add(5, DeviceClass::tunnel, {own("10.2.0.2", 24)}).default_route = true;
    machine.add(6, DeviceClass::tunnel, {own("10.3.0.2", 24), own("10.3.0.9", 16)});
    EXPECT_EQ(machine.ways({"10.3.0.1"}).way4.ifindex, 6u);
    EXPECT_EQ(Address::from_abi(machine.ways({"10.3.0.1"}).way4.source).str(), "10.3.0.2");
    EXPECT_EQ(machine.ways({"10.9.0.1"}).way4.ifindex, 5u);
    machine.topology.devices[1].default_route = false;
    EXPECT_EQ(machine.ways({"10.9.0.1"}).way4.ifindex, 4u);
    machine.topology.devices[1].wide_route = true;
    EXPECT_EQ(machine.ways({"10.9.0.1"}).way4.ifindex, 5u) << "halves of a default route";
}

TEST(Ways, OfSeveralResolversTheFirst) {
    Machine machine;
    machine.add(4, DeviceClass::tunnel, {own("10.1.0.2", 24)});
    const lk_policy record = machine.ways({"10.1.0.9", "10.1.0.1", "fd42::1"});
    EXPECT_EQ(Address::from_abi(record.way4.resolver).str(), "10.1.0.9");
    EXPECT_EQ(record.way6.ifindex, 0u);
    std::vector<int> tunnels;
    note_tunnels(tunnels, record);
    note_tunnels(tunnels, record);
    EXPECT_EQ(tunnels, std::vector<int>{4});
}

// Each with a tunnel of its own: the first whose tunnel is there, though the other tunnel might lead
// anywhere.
TEST(Ways, OfSeveralResolversTheFirstWhoseTunnelIsThere) {
    Machine machine;
    machine.add(4, DeviceClass::tunnel, {own("10.1.0.2", 24), own("fd01::2", 64)}).default_route = true;
    machine.add(5, DeviceClass::tunnel, {own("10.2.0.2", 24), own("fd02::2", 64)}).default_route = true;
    const auto chosen = [&](const std::vector<const char *> &resolvers) {
        const lk_policy record = machine.ways(resolvers);
        return Address::from_abi(record.way4.resolver).str() + " by " + std::to_string(record.way4.ifindex) +
               ", " + Address::from_abi(record.way6.resolver).str() + " by " +
               std::to_string(record.way6.ifindex);
    };
    const std::vector<const char *> both{"10.1.0.1", "10.2.0.1", "fd01::1", "fd02::1"};
    EXPECT_EQ(chosen(both), "10.1.0.1 by 4, fd01::1 by 4");
    EXPECT_EQ(chosen({"10.2.0.1", "10.1.0.1", "fd02::1", "fd01::1"}), "10.2.0.1 by 5, fd02::1 by 5");
    machine.topology.devices[0].up = false;
    EXPECT_EQ(chosen(both), "10.2.0.1 by 5, fd02::1 by 5");
    EXPECT_EQ(chosen({"10.1.0.1", "fd01::1"}), "10.1.0.1 by 5, fd01::1 by 5") << "the only ones";
    EXPECT_EQ(chosen({"203.0.113.53", "10.2.0.1", "2001:db8::53", "fd02::1"}),
              "203.0.113.53 by 5, 2001:db8::53 by 5")
        << "public ones are to be reached by any";
    machine.add(6, DeviceClass::tunnel, {own("10.64.0.2", 32), own("fd64::2", 128)});
    EXPECT_EQ(chosen({"10.64.0.1", "10.2.0.1", "fd64::1", "fd02::1"}), "10.64.0.1 by 6, fd64::1 by 6")
        << "by a tunnel that is nobody else's";
}

// With a tunnel for each of two scopes, of which one is down: its queries do not go into the other's.
TEST(Ways, ATunnelOfAnotherScopeIsNone) {
    Machine machine;
    machine.add(4, DeviceClass::tunnel, {own("10.1.0.2", 24), own("fd01::2", 64)}).default_route = true;
    const auto led = [&](const std::vector<const char *> &resolvers,
                         const std::vector<const char *> &others) {
        const lk_policy record = machine.ways(resolvers, others);
        return std::pair(record.way4.ifindex != 0, record.way6.ifindex != 0);
    };
    constexpr std::pair both{true, true}, neither{false, false};
    EXPECT_EQ(led({"10.2.0.1", "fd02::1"}, {"10.1.0.1", "fd01::1"}), neither);
    EXPECT_EQ(led({"10.2.0.1", "fd02::1"}, {"10.1.0.1"}), neither) << "told by either family";
    EXPECT_EQ(led({"10.2.0.1", "fd02::1"}, {"10.3.0.1", "fd03::1"}), both) << "it holds nobody's resolver";
    EXPECT_EQ(led({"10.1.0.53", "fd02::1"}, {"10.1.0.1"}), both) << "it holds one of ours";
    EXPECT_EQ(led({"10.2.0.1", "10.1.0.1", "fd02::1"}, {"10.1.0.1"}), both) << "the same tunnel for both";
    EXPECT_EQ(led({"100.100.100.100", "fd02::1"}, {"10.1.0.1"}), neither) << "of an overlay (RFC 6598)";
    EXPECT_EQ(led({"203.0.113.53", "2001:db8::53"}, {"10.1.0.1"}), both) << "public ones";
    EXPECT_EQ(led({"100.128.0.53", "2001:db8::53"}, {"10.1.0.1"}), both) << "public ones";
}

TEST(Ways, TheOtherTunnelsAreNotedWhileThereIsRoom) {
    Machine machine;
    machine.add(3, DeviceClass::uplink, {own("10.9.0.2", 24)});
    for (int i = 0; i < 70; ++i)
        machine.add(10 + i, DeviceClass::tunnel, {}).up = i % 2;
    machine.add(90, DeviceClass::inside, {own("10.9.1.2", 24)});
    machine.topology.devices[1].arphrd = ARPHRD_INFINIBAND; // which nobody can read
    std::vector<int> tunnels{79};                           // a way leads by it
    const auto beyond = note_other_tunnels(tunnels, machine.topology, machine.classes);
    ASSERT_EQ(tunnels.size(), LK_TUNNELS);
    EXPECT_EQ(tunnels.front(), 11);
    EXPECT_EQ(tunnels.back(), 79);
    EXPECT_EQ(beyond, (std::vector<std::string>{"d74", "d75", "d76", "d77", "d78"}));
}

// Names may be asked in the clear where no tunnel leads to a resolver that would serve the query.
TEST(Ways, BootstrapHoldsWithoutThem) {
    const auto flags = [](const Machine &machine, const std::vector<const char *> &resolvers,
                          const char *names) {
        GatewaySet gateways;
        gateways.bootstrap = BootstrapName::parse_list(names).value();
        lk_policy record = machine.ways(resolvers);
        add_bootstrap(record, gateways);
        return record.flags;
    };
    constexpr std::uint32_t v4 = LK_POLICY_BOOTSTRAP4, v6 = LK_POLICY_BOOTSTRAP6;
    const char *names4 = "198.51.100.53=vpn.example", *names6 = "2001:db8::53=vpn.example";
    Machine none, tunnel4, tunnel6;
    tunnel4.add(4, DeviceClass::tunnel, {own("10.42.0.2", 24)});
    tunnel6.add(4, DeviceClass::tunnel, {own("fd42::2", 64)});
    const std::vector<const char *> both{"10.42.0.1", "fd42::1"};
    EXPECT_EQ(flags(none, both, names4), v4);
    EXPECT_EQ(flags(none, both, names6), v6);
    EXPECT_EQ(flags(none, {}, names4), v4);
    EXPECT_EQ(flags(tunnel4, both, names4), 0u);
    EXPECT_EQ(flags(tunnel4, both, names6), 0u) << "an IPv4 resolver serves IPv6 queries";
    EXPECT_EQ(flags(tunnel4, {"fd42::1"}, names4), v4);
    EXPECT_EQ(flags(tunnel6, both, names6), 0u);
    EXPECT_EQ(flags(tunnel6, both, names4), v4) << "an IPv6 resolver serves no IPv4 query";
}

} // namespace
} // namespace lk
