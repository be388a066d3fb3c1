// SPDX-License-Identifier: MIT
// read_topology() of real devices, addresses and routes.
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "net_watch.h"

namespace lk {
namespace {

using harness::Netns;
using test::device;
using test::has_default;
using test::has_hop;
using test::snapshot;

TEST(Snapshot, KindsAndWhatCarriesWhat) {
    Netns netns("lk-a");
    netns.ip("link add v0 index 10 type veth peer name v1 index 11\n"
             "link add br0 index 12 type bridge\n"
             "link set v1 master br0\n"
             "link add mv0 link v0 index 13 type macvlan mode bridge\n"
             "link add vx0 index 14 type vxlan id 5 dev v0 dstport 4789\n"
             "link add ifb9 index 15 type ifb\n"
             "tuntap add tun0 mode tun\n"
             "tuntap add tap0 mode tap\n"
             "link set v0 up\n"
             "link set lo up");
    const Topology seen = snapshot(netns);
    EXPECT_EQ(device(seen, "v0"), "10 v0 kind=veth type=1 master=0 lower=0 up");
    EXPECT_EQ(device(seen, "v1"), "11 v1 kind=veth type=1 master=12 lower=0");
    EXPECT_EQ(device(seen, "br0"), "12 br0 kind=bridge type=1 master=0 lower=0");
    EXPECT_EQ(device(seen, "mv0"), "13 mv0 kind=macvlan type=1 master=0 lower=10");
    EXPECT_EQ(device(seen, "vx0"), "14 vx0 kind=vxlan type=1 master=0 lower=0");
    EXPECT_EQ(device(seen, "ifb9"), "15 ifb9 kind=ifb type=1 master=0 lower=0");
    ASSERT_TRUE(seen.find("tun0") && seen.find("tap0") && seen.find("lo"));
    EXPECT_EQ(seen.find("tun0")->kind, "tun");
    EXPECT_TRUE(seen.find("tun0")->l3());
    EXPECT_EQ(seen.find("tap0")->kind, "tun");
    EXPECT_TRUE(seen.find("tap0")->ethernet());
    EXPECT_TRUE(seen.find("lo")->loopback);
    EXPECT_TRUE(std::ranges::is_sorted(seen.devices, {}, &Device::ifindex));

    const auto classes = classify(seen, {{}, {}, {"v0"}});
    const auto class_of = [&](const char *name) {
        return classes[static_cast<std::size_t>(seen.find(name) - seen.devices.data())];
    };
    EXPECT_EQ(class_of("mv0"), DeviceClass::uplink);
    EXPECT_EQ(lowest(seen, classes, 13), std::vector<int>{10});
    EXPECT_EQ(class_of("br0"), DeviceClass::inside);
    EXPECT_EQ(class_of("tun0"), DeviceClass::tunnel);
    EXPECT_EQ(class_of("tap0"), DeviceClass::inside);
}

TEST(Snapshot, WhatCarriesADeviceFromAnotherNamespace) {
    Netns host("lk-a"), container("lk-b");
    host.ip("link add v0 type veth peer name v1 netns lk-b\n"
            "link add mv0 link v0 type macvlan\n"
            "link set mv0 netns lk-b");
    const Topology outside = snapshot(host), inside = snapshot(container);
    ASSERT_TRUE(outside.find("v0") && inside.find("v1") && inside.find("mv0"));
    EXPECT_TRUE(inside.find("mv0")->lower_elsewhere);
    EXPECT_EQ(inside.find("mv0")->lower, 0);
    EXPECT_EQ(outside.find("mv0"), nullptr);
}

// Whoever holds a tap may give it any type: what its frames are stays the same.
TEST(Snapshot, TypesThatATapOrTunOnlyShows) {
    Netns netns("lk-a");
    const auto make = [&](const char *name, short mode, unsigned long shown) {
        Fd fd;
        ifreq request{};
        strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        request.ifr_flags = static_cast<short>(mode | IFF_NO_PI);
        netns.inside([&] {
            fd.reset(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
            ASSERT_EQ(ioctl(fd.get(), TUNSETIFF, &request), 0) << strerror(errno);
            ASSERT_EQ(ioctl(fd.get(), TUNSETLINK, shown), 0) << strerror(errno);
        });
        return fd;
    };
    const Fd tap = make("tap0", IFF_TAP, ARPHRD_NONE), tun = make("tun0", IFF_TUN, ARPHRD_ETHER);
    const Topology seen = snapshot(netns);
    ASSERT_TRUE(seen.find("tap0") && seen.find("tun0"));
    EXPECT_TRUE(seen.find("tap0")->ethernet());
    EXPECT_TRUE(seen.find("tun0")->l3());
}

TEST(Snapshot, Addresses) {
    Netns netns("lk-a");
    netns.ip("link add v0 index 10 type veth peer name v1\n"
             "link set v0 up\nlink set v1 up\n"
             "addr add 198.51.100.7/24 dev v0\n"
             "addr add 198.51.100.8/24 dev v0\n" // secondary
             "addr add 198.51.100.7/25 dev v0\n" // again, under another prefix
             "addr add 10.0.0.1 peer 10.1.1.1/24 dev v0\n"
             "addr add 203.0.113.5/24 dev v0 valid_lft 1000 preferred_lft 0\n"
             "addr add 2001:db8::7/64 dev v0 nodad\n"
             "addr add 2001:db8::8/64 dev v0 nodad valid_lft 1000 preferred_lft 0\n"
             "addr add 2001:db8:1::1 peer 2001:db8:2::1/64 dev v0 nodad\n"
             "addr add 2001:db8:3::1/128 dev v0 nodad");
    EXPECT_EQ(device(snapshot(netns), "v0"),
              "10 v0 kind=veth type=1 master=0 lower=0 up 10.0.0.1/24 peer 10.1.1.1 198.51.100.7/24 "
              "198.51.100.7/25 198.51.100.8/24 203.0.113.5/24 2001:db8::7/64 2001:db8::8/64 "
              "2001:db8:1::1/64 peer 2001:db8:2::1 2001:db8:3::1/128");
    const Topology seen = snapshot(netns);
    for (const DeviceAddress &one : seen.find("v0")->addresses)
        if (one.peer) {
            EXPECT_TRUE(one.on_link().contains(*one.peer)) << one.address.str();
        }
}

struct RouteCase {
    const char *what;
    const char *lines; // in a namespace with v0 (198.51.100.7/24, 2001:db8::7/64) and w0 (203.0.113.7/24) up
    const char *v0;    // what v0 shows of routes
    const char *w0 = "";
};

const RouteCase route_cases[] = {
    {"connected ones, local ones and broadcasts", "", ""},
    {"default", "route add default via 198.51.100.1", "default via 198.51.100.1"},
    {"default without a next hop", "route add default dev v0", "default"},
    {"default in another table", "route add default via 198.51.100.1 table 100", "default via 198.51.100.1"},
    {"default in a table beyond 255", "route add default via 198.51.100.1 table 70000",
     "default via 198.51.100.1"},
    {"IPv6 default", "route add ::/0 via fe80::1 dev v0", "default via fe80::1"},
    {"IPv6 default of a source only", "route add ::/0 from 2001:db8::/64 via fe80::1 dev v0",
     "default via fe80::1"},
    {"two defaults on two devices",
     "route add default via 198.51.100.1\nroute add default via 203.0.113.1 metric 9",
     "default via 198.51.100.1", "default via 203.0.113.1"},
    {"a route that is no default", "route add 10.0.0.0/8 via 198.51.100.3", "via 198.51.100.3"},
    {"half a default is none", "route add 0.0.0.0/1 via 198.51.100.3", "via 198.51.100.3"},
    {"multipath over two devices",
     "route add default nexthop via 198.51.100.1 nexthop via 203.0.113.1 nexthop via 198.51.100.2",
     "default via 198.51.100.1 via 198.51.100.2", "default via 203.0.113.1"},
    {"IPv6 multipath",
     "route add 2001:db8:9::/48 nexthop via fe80::1 dev v0 nexthop via fe80::2 dev v0 nexthop via fe80::3 "
     "dev w0",
     "via fe80::1 via fe80::2", "via fe80::3"},
    {"an IPv6 next hop of an IPv4 route", "route add 10.0.0.0/8 via inet6 fe80::9 dev v0", "via fe80::9"},
    {"one in a multipath route",
     "route add 10.0.0.0/8 nexthop via inet6 fe80::9 dev v0 nexthop via 203.0.113.1", "via fe80::9",
     "via 203.0.113.1"},
    {"the same next hop of many routes",
     "route add 10.0.0.0/8 via 198.51.100.3\nroute add 10.1.0.0/16 via 198.51.100.3", "via 198.51.100.3"},
    {"on-link by word", "route add 10.0.0.0/8 via 10.9.9.9 dev v0 onlink", "via 10.9.9.9"},
    {"blackhole", "route add blackhole default", ""},
    {"unreachable", "route add unreachable default", ""},
    {"prohibit", "route add prohibit default\nroute add prohibit ::/0", ""},
    {"throw", "route add throw default table 100", ""},
    {"IPv6 blackhole", "route add blackhole ::/0", ""},
    {"the local table",
     "route add 10.7.7.7 via 198.51.100.9 table local\nroute add local 0.0.0.0/0 dev v0 table 100", ""},
    {"nexthop object", "nexthop add id 7 via 198.51.100.4 dev v0\nroute add default nhid 7",
     "default via 198.51.100.4"},
    {"IPv6 nexthop object of an IPv4 route",
     "nexthop add id 7 via fe80::4 dev v0\nroute add 10.0.0.0/8 nhid 7", "via fe80::4"},
    {"group of nexthop objects",
     "nexthop add id 7 via 198.51.100.4 dev v0\nnexthop add id 8 via 203.0.113.4 dev w0\n"
     "nexthop add id 9 group 7/8\nroute add default nhid 9",
     "default via 198.51.100.4", "default via 203.0.113.4"},
    {"nexthop object that is a blackhole", "nexthop add id 7 blackhole\nroute add default nhid 7", ""},
    {"nexthop object without a route", "nexthop add id 7 via 198.51.100.4 dev v0", ""},
};

std::string routes_of(const Topology &topology, const char *name) {
    const Device *found = topology.find(name);
    if (!found) return "no device";
    std::string text = found->default_route ? "default" : "";
    for (const Address &hop : found->next_hops)
        text += (text.empty() ? "via " : " via ") + hop.str();
    return text;
}

void add_two_uplinks(const Netns &netns) {
    netns.ip(
        "link add v0 type veth peer name v1\nlink add w0 type veth peer name w1\n"
        "link set v0 up\nlink set v1 up\nlink set w0 up\nlink set w1 up\n"
        "addr add 198.51.100.7/24 dev v0\naddr add 2001:db8::7/64 dev v0\naddr add 203.0.113.7/24 dev w0");
}

TEST(Snapshot, Routes) {
    for (const RouteCase &one : route_cases) {
        Netns netns("lk-a");
        add_two_uplinks(netns);
        if (*one.lines) netns.ip(one.lines);
        const Topology seen = snapshot(netns);
        EXPECT_EQ(routes_of(seen, "v0"), one.v0) << one.what;
        EXPECT_EQ(routes_of(seen, "w0"), one.w0) << one.what;
    }
}

TEST(Snapshot, RoutersAreTheNextHopsOfDefaultRoutes) {
    Netns netns("lk-a");
    add_two_uplinks(netns);
    netns.ip("route add default via 198.51.100.4 dev v0\nroute add 10.0.0.0/8 via 198.51.100.5 dev v0\n"
             "route add default via fe80::4 dev v0\nroute add default dev w0 metric 5");
    const Topology seen = snapshot(netns);
    EXPECT_EQ(seen.find("v0")->routers,
              (std::vector{Address::parse("198.51.100.4").value(), Address::parse("fe80::4").value()}));
    EXPECT_EQ(seen.find("w0")->routers, std::vector<Address>{});
}

TEST(Snapshot, HalvesOfADefaultRouteMakeAWideOne) {
    const std::pair<const char *, bool> cases[] = {
        {"0.0.0.0/0", true}, {"::/0", true},       {"0.0.0.0/1", true},   {"128.0.0.0/1", true},
        {"::/1", true},      {"8000::/1", true},   {"2000::/3", true},    {"4000::/3", false},
        {"2000::/4", false}, {"0.0.0.0/2", false}, {"128.0.0.0/2", false}};
    for (const auto &[destination, wide] : cases) {
        Netns netns("lk-a");
        add_two_uplinks(netns);
        netns.ip(fmt::format("route add {} dev v0 metric 7", destination));
        const Topology seen = snapshot(netns);
        EXPECT_EQ(seen.find("v0")->wide_route, wide) << destination;
        EXPECT_EQ(seen.find("v0")->default_route, strstr(destination, "/0") != nullptr) << destination;
        EXPECT_FALSE(seen.find("w0")->wide_route) << destination;
    }
}

// The kernel then names the object only, and not where it leads.
TEST(Snapshot, RoutesByNexthopObjectsAlone) {
    for (const RouteCase &one : route_cases) {
        if (!strstr(one.what, "nexthop object")) continue;
        Netns netns("lk-a");
        add_two_uplinks(netns);
        netns.sysctl("ipv4/nexthop_compat_mode", "0");
        netns.ip(one.lines);
        const Topology seen = snapshot(netns);
        EXPECT_EQ(routes_of(seen, "v0"), one.v0) << one.what;
        EXPECT_EQ(routes_of(seen, "w0"), one.w0) << one.what;
    }
}

TEST(Snapshot, AnEmptyNamespaceHasLoopbackOnly) {
    Netns netns("lk-a");
    const Topology seen = snapshot(netns);
    ASSERT_EQ(seen.devices.size(), 1u);
    EXPECT_TRUE(seen.devices[0].loopback);
    EXPECT_FALSE(seen.devices[0].default_route);
    EXPECT_TRUE(test::has_address(seen, "lo", "127.0.0.1"));
}

} // namespace
} // namespace lk
