// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topologies.h"

namespace lk {
namespace {

using test::Dev;
using test::topology;

template <typename T>
std::string joined(const std::vector<T> &values) {
    std::string all;
    for (const T &value : values)
        all += (all.empty() ? "" : " ") + value.str();
    return all;
}

struct Case {
    const char *what;
    std::vector<Dev> devices;
    const char *own, *on_link, *next_hops;
};

// Asked of ifindex 2 each time.
const std::vector<Case> cases{
    {"nothing there", {}, "", "", ""},
    {"no address", {Dev(2, "eth0")}, "", "", ""},
    {"both families, sorted",
     {Dev(2, "eth0").addr("2001:db8::7", 64).addr("198.51.100.7", 24).hop("fe80::1").hop("198.51.100.1")},
     "198.51.100.7 2001:db8::7",
     "198.51.100.0/24 2001:db8::/64",
     "198.51.100.1 fe80::1"},
    {"two addresses of one prefix",
     {Dev(2, "eth0").addr("198.51.100.7", 24).addr("198.51.100.8", 24)},
     "198.51.100.7 198.51.100.8",
     "198.51.100.0/24",
     ""},
    {"point to point: the peer's prefix is on-link",
     {Dev(2, "ppp0", "ppp").addr("198.51.100.7", 32, "203.0.113.1").addr("10.0.0.1", 24, "10.1.1.1")},
     "10.0.0.1 198.51.100.7",
     "10.1.1.0/24 203.0.113.1",
     ""},
    {"another device's are not taken",
     {Dev(2, "eth0").addr("10.0.0.1", 8), Dev(3, "eth1").addr("10.0.0.2", 8).hop("10.0.0.3")},
     "10.0.0.1",
     "10.0.0.0/8",
     ""},
    {"a vlan's, and a vlan's on it",
     {Dev(2, "eth0").addr("10.0.0.1", 24), Dev(3, "a", "vlan").on(2).addr("10.0.1.1", 24).hop("10.0.1.9"),
      Dev(4, "b", "vlan").on(3).addr("10.0.2.1", 24)},
     "10.0.0.1 10.0.1.1 10.0.2.1",
     "10.0.0.0/24 10.0.1.0/24 10.0.2.0/24",
     "10.0.1.9"},
    {"a bridge's, and a macvlan's on the bridge; the bridge's other ports keep theirs",
     {Dev(2, "eth0").port_of(3), Dev(3, "br0", "bridge").addr("10.0.0.1", 24).hop("10.0.0.9"),
      Dev(4, "mv", "macvlan").on(3).addr("10.0.0.2", 24), Dev(5, "eth1").port_of(3).addr("10.5.0.1", 24)},
     "10.0.0.1 10.0.0.2",
     "10.0.0.0/24",
     "10.0.0.9"},
    {"a bond's and a vrf's over it",
     {Dev(2, "eth0").port_of(3), Dev(3, "bond0", "bond").port_of(4).addr("10.0.0.1", 24),
      Dev(4, "vrf0", "vrf").addr("10.9.9.9", 32)},
     "10.0.0.1 10.9.9.9",
     "10.0.0.0/24 10.9.9.9",
     ""},
    {"a veth's peer is no rider",
     {Dev(2, "a", "veth").on(3).addr("10.0.0.1", 24), Dev(3, "b", "veth").on(2).addr("10.0.0.2", 24)},
     "10.0.0.1",
     "10.0.0.0/24",
     ""},
    {"an encapsulating tunnel is no rider",
     {Dev(2, "eth0").addr("10.0.0.1", 24), Dev(3, "vx", "vxlan").on(2).addr("10.0.1.1", 24)},
     "10.0.0.1",
     "10.0.0.0/24",
     ""},
    {"a macvlan whose carrier is elsewhere under the same number",
     {Dev(2, "eth0").addr("10.0.0.1", 24), Dev(3, "mv", "macvlan").elsewhere(2).addr("10.0.1.1", 24)},
     "10.0.0.1",
     "10.0.0.0/24",
     ""},
    {"a master of unknown kind",
     {Dev(2, "eth0").port_of(3), Dev(3, "bat0", "batadv").addr("10.0.0.1", 24)},
     "",
     "",
     ""},
    {"a loop",
     {Dev(2, "a", "vlan").on(3).addr("10.0.0.1", 24), Dev(3, "b", "vlan").on(2).addr("10.0.0.2", 24)},
     "10.0.0.1 10.0.0.2",
     "10.0.0.0/24",
     ""},
};

TEST(Reach, Table) {
    for (const Case &one : cases) {
        const Reach found = reach(topology(one.devices), 2);
        EXPECT_EQ(joined(found.own), one.own) << one.what;
        EXPECT_EQ(joined(found.on_link), one.on_link) << one.what;
        EXPECT_EQ(joined(found.next_hops), one.next_hops) << one.what;
    }
}

TEST(Reach, TentativeAddressesAreOwn) {
    Dev device(2, "eth0");
    device.addresses = {
        {.address = Address::parse("fe80::7").value(), .prefix_length = 64, .tentative = true}};
    EXPECT_EQ(joined(reach(topology({device}), 2).own), "fe80::7");
}

TEST(Device, FramesByType) {
    struct Type {
        unsigned arphrd;
        bool l3, ethernet;
    };
    for (const Type &one : {Type{ARPHRD_ETHER, false, true},
                            {ARPHRD_LOOPBACK, false, true},
                            {ARPHRD_NONE, true, false},
                            {ARPHRD_RAWIP, true, false},
                            {ARPHRD_PPP, true, false},
                            {ARPHRD_TUNNEL, true, false},
                            {ARPHRD_TUNNEL6, true, false},
                            {ARPHRD_SIT, true, false},
                            {ARPHRD_IPGRE, true, false},
                            {ARPHRD_IP6GRE, true, false},
                            {ARPHRD_INFINIBAND, false, false},
                            {ARPHRD_IEEE80211_RADIOTAP, false, false},
                            {ARPHRD_IEEE802154, false, false},
                            {ARPHRD_CAN, false, false},
                            {ARPHRD_VOID, false, false}}) {
        const Dev device = Dev(2, "x").type(one.arphrd);
        EXPECT_EQ(device.l3(), one.l3) << one.arphrd;
        EXPECT_EQ(device.ethernet(), one.ethernet) << one.arphrd;
    }
}

TEST(Topology, FindsByNumberAndName) {
    const Topology made = topology({Dev(5, "b"), Dev(2, "a")});
    EXPECT_EQ(made.find(5)->name, "b");
    EXPECT_EQ(made.find("a")->ifindex, 2);
    EXPECT_EQ(made.find(3), nullptr);
    EXPECT_EQ(made.find("c"), nullptr);
    EXPECT_EQ(Topology{}.find(1), nullptr);
}

} // namespace
} // namespace lk
