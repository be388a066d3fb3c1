// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topologies.h"

namespace lk {
namespace {

using test::Dev;
using test::topology;
using testing::ElementsAreArray;

// One letter per device, in the order of ifindexes: loopback, Uplink, Tunnel, Inside.
std::string letters(const std::vector<DeviceClass> &classes) {
    std::string all;
    for (const DeviceClass one : classes)
        all += "lUTI"[static_cast<int>(one)];
    return all;
}

struct Case {
    const char *what;
    std::vector<Dev> devices;
    const char *classes;
    int ask; // lowest() of this ifindex ...
    std::vector<int> lowest;
    ClassOverrides overrides = {};
};

Dev lo() {
    return Dev(1, "lo").lo();
}
Dev eth0() {
    return Dev(2, "eth0");
}

const std::vector<Case> cases{
    {"no device", {}, "", 2, {}},
    {"hardware leads out", {lo(), eth0()}, "lU", 2, {2}},
    {"a device that is not there", {lo(), eth0()}, "lU", 9, {}},
    {"hardware of an unreadable type leads out", {Dev(2, "ib0").type(ARPHRD_INFINIBAND)}, "U", 2, {2}},
    {"a modem", {Dev(2, "wwan0").type(ARPHRD_RAWIP)}, "U", 2, {2}},
    {"loopback stays loopback whatever is said of it", {lo().route()}, "l", 1, {1}, {{"lo"}, {"lo"}, {"lo"}}},

    // kinds
    {"wireguard", {Dev(2, "wg0", "wireguard").type(ARPHRD_NONE)}, "T", 2, {2}},
    {"ovpn", {Dev(2, "tun0", "ovpn").type(ARPHRD_NONE)}, "T", 2, {2}},
    {"ovpn-dco-v2", {Dev(2, "tun0", "ovpn-dco-v2").type(ARPHRD_NONE)}, "T", 2, {2}},
    {"xfrm", {eth0(), Dev(3, "x", "xfrm").type(ARPHRD_NONE).on(2)}, "UT", 2, {2}},
    {"tun", {Dev(2, "tun0", "tun").type(ARPHRD_NONE)}, "T", 2, {2}},
    {"tap", {Dev(2, "tap0", "tun")}, "I", 2, {2}},
    {"tun with a type that is neither tun's nor tap's",
     {Dev(2, "t", "tun").type(ARPHRD_INFINIBAND)},
     "U",
     2,
     {2}},
    {"veth", {Dev(2, "v", "veth").elsewhere(2)}, "I", 2, {2}},
    {"an access point", {Dev(2, "wlan0").ap()}, "I", 2, {2}},
    {"a station", {Dev(2, "wlan0")}, "U", 2, {2}},
    {"ppp", {Dev(2, "ppp0", "ppp").type(ARPHRD_PPP).route()}, "U", 2, {2}},
    {"a kind that nobody knows", {Dev(2, "x", "quantum")}, "U", 2, {2}},
    {"vxlan is no stacked device", {eth0(), Dev(3, "vx", "vxlan").on(2)}, "UU", 3, {3}},
    {"gre is no stacked device", {eth0(), Dev(3, "g", "gre").type(ARPHRD_IPGRE).on(2)}, "UU", 3, {3}},
    {"sit over nothing", {Dev(3, "sit0", "sit").type(ARPHRD_SIT)}, "U", 3, {3}},
    {"gretap over a tunnel leads out",
     {Dev(2, "wg0", "wireguard").type(ARPHRD_NONE), Dev(3, "g", "gretap").on(2)},
     "TU",
     3,
     {3}},

    // default routes
    {"veth with a default route", {Dev(2, "v", "veth").route()}, "U", 2, {2}},
    {"tap with a default route", {Dev(2, "tap0", "tun").route()}, "U", 2, {2}},
    {"tunnel with a default route", {Dev(2, "tun0", "tun").type(ARPHRD_NONE).route()}, "T", 2, {2}},
    {"access point with a default route", {Dev(2, "wlan0").ap().route()}, "U", 2, {2}},
    {"inside by name with a default route", {eth0().route()}, "U", 2, {2}, {{}, {"eth0"}, {}}},
    {"empty bridge with a default route", {Dev(2, "br0", "bridge").route()}, "U", 2, {2}},

    // names
    {"ppp as a tunnel", {Dev(2, "ppp0", "ppp").type(ARPHRD_PPP).route()}, "T", 2, {2}, {{"ppp0"}, {}, {}}},
    {"hardware inside", {eth0()}, "I", 2, {2}, {{}, {"eth0"}, {}}},
    {"veth named in attach", {Dev(2, "v", "veth")}, "U", 2, {2}, {{}, {}, {"v"}}},
    {"tunnel named in attach", {Dev(2, "t", "tun").type(ARPHRD_NONE)}, "U", 2, {2}, {{"t"}, {"t"}, {"t"}}},
    {"tunnel before inside", {Dev(2, "x", "veth")}, "T", 2, {2}, {{"x"}, {"x"}, {}}},
    {"a name is compared whole", {Dev(2, "tap0", "tun")}, "I", 2, {2}, {{"tap"}, {}, {"tap00"}}},

    // stacked
    {"vlan", {eth0(), Dev(3, "eth0.5", "vlan").on(2)}, "UU", 3, {2}},
    {"macvlan", {eth0(), Dev(3, "mv", "macvlan").on(2)}, "UU", 3, {2}},
    {"macvtap", {eth0(), Dev(3, "mv", "macvtap").on(2)}, "UU", 3, {2}},
    {"ipvlan", {eth0(), Dev(3, "iv", "ipvlan").on(2)}, "UU", 3, {2}},
    {"ipvtap", {eth0(), Dev(3, "iv", "ipvtap").on(2)}, "UU", 3, {2}},
    {"macsec", {eth0(), Dev(3, "ms", "macsec").on(2)}, "UU", 3, {2}},
    {"vlan in vlan", {eth0(), Dev(3, "a", "vlan").on(2), Dev(4, "b", "vlan").on(3)}, "UUU", 4, {2}},
    {"vlan with a lower number than what carries it", {Dev(2, "a", "vlan").on(3), Dev(3, "e")}, "UU", 2, {3}},
    {"macvlan of a device elsewhere", {Dev(3, "mv", "macvlan").elsewhere(2), eth0()}, "UU", 3, {3}},
    {"macvlan elsewhere, the number unknown here", {Dev(3, "mv", "macvlan").elsewhere(7)}, "U", 3, {3}},
    {"vlan over a device that is not there", {Dev(3, "v", "vlan").on(7)}, "U", 3, {3}},
    {"macvlan over veth", {Dev(2, "v", "veth"), Dev(3, "mv", "macvlan").on(2)}, "II", 3, {2}},
    {"vlan over a tunnel", {Dev(2, "t", "tun"), Dev(3, "v", "vlan").on(2)}, "TT", 3, {3}, {{"t"}, {}, {}}},
    {"veth pair in one namespace", {Dev(2, "a", "veth").on(3), Dev(3, "b", "veth").on(2)}, "II", 2, {2}},
    {"veth pair, one end with a default route",
     {Dev(2, "a", "veth").on(3).route(), Dev(3, "b", "veth").on(2)},
     "UI",
     2,
     {2}},
    {"a default route on a vlan over a veth makes the veth the way out",
     {Dev(2, "v", "veth"), Dev(3, "v.5", "vlan").on(2).route(), Dev(4, "v.6", "vlan").on(2)},
     "UUU",
     3,
     {2}},
    {"a name does so too",
     {Dev(2, "v", "veth"), Dev(3, "mv", "macvlan").on(2)},
     "UU",
     3,
     {2},
     {{}, {}, {"mv"}}},
    {"a default route on a vlan over a tunnel changes nothing",
     {Dev(2, "t", "tun"), Dev(3, "v", "vlan").on(2).route()},
     "TT",
     3,
     {3},
     {{"t"}, {}, {}}},
    {"a named vlan over a tunnel is filtered itself",
     {Dev(2, "t", "tun"), Dev(3, "v", "vlan").on(2)},
     "TU",
     3,
     {3},
     {{"t"}, {}, {"v"}}},
    {"a stacked device that is inside by name leaves its carrier an uplink",
     {eth0(), Dev(3, "mv", "macvlan").on(2)},
     "UI",
     2,
     {2},
     {{}, {"mv"}, {}}},
    {"a stacked device over loopback", {lo(), Dev(3, "mv", "macvlan").on(1)}, "lU", 3, {3}},

    // bridges
    {"empty bridge", {Dev(2, "br0", "bridge")}, "I", 2, {2}},
    {"bridge of containers",
     {Dev(2, "br0", "bridge"), Dev(3, "v", "veth").port_of(2), Dev(4, "t", "tun").port_of(2)},
     "III",
     2,
     {2}},
    {"bridge of containers with a default route is filtered itself",
     {Dev(2, "br0", "bridge").route(), Dev(3, "v", "veth").port_of(2)},
     "UI",
     2,
     {2}},
    {"bridge with hardware",
     {eth0().port_of(3), Dev(3, "br0", "bridge").route(), Dev(4, "v", "veth").port_of(3)},
     "UUI",
     3,
     {2}},
    {"bridge with two pieces of hardware",
     {eth0().port_of(4), Dev(3, "eth1").port_of(4), Dev(4, "br0", "bridge")},
     "UUU",
     4,
     {2, 3}},
    {"bridge with an access point and containers",
     {Dev(2, "wlan0").ap().port_of(3), Dev(3, "br0", "bridge"), Dev(4, "v", "veth").port_of(3)},
     "III",
     3,
     {3}},
    {"bridge with an access point and hardware",
     {Dev(2, "wlan0").ap().port_of(4), Dev(3, "eth0").port_of(4), Dev(4, "br0", "bridge")},
     "IUU",
     4,
     {3}},
    {"bridge over vlans",
     {eth0(), Dev(3, "eth0.5", "vlan").on(2).port_of(4), Dev(4, "br0", "bridge")},
     "UUU",
     4,
     {2}},
    {"vlan over a bridge",
     {eth0().port_of(3), Dev(3, "br0", "bridge"), Dev(4, "br0.5", "vlan").on(3).route()},
     "UUU",
     4,
     {2}},
    {"vlan with a default route over a bridge of containers",
     {Dev(2, "v", "veth").port_of(3), Dev(3, "br0", "bridge"), Dev(4, "br0.5", "vlan").on(3).route()},
     "IUU",
     4,
     {3}},
    {"bridge with a named veth",
     {Dev(2, "up", "veth").port_of(4), Dev(3, "v", "veth").port_of(4), Dev(4, "br0", "bridge")},
     "UIU",
     4,
     {2},
     {{}, {}, {"up"}}},
    {"bridge whose hardware is inside by name",
     {eth0().port_of(3), Dev(3, "br0", "bridge")},
     "II",
     3,
     {3},
     {{}, {"eth0"}, {}}},
    {"a bridge that is inside by name leaves its hardware an uplink",
     {eth0().port_of(3), Dev(3, "br0", "bridge")},
     "UI",
     2,
     {2},
     {{}, {"br0"}, {}}},
    {"bridge with a tunnel port",
     {Dev(2, "tap0", "tun").port_of(4), Dev(3, "v", "veth").port_of(4), Dev(4, "br0", "bridge")},
     "TIT",
     4,
     {4},
     {{"tap0"}, {}, {}}},
    {"bridge with a tunnel port and hardware",
     {Dev(2, "tap0", "tun").port_of(4), Dev(3, "eth0").port_of(4), Dev(4, "br0", "bridge")},
     "TUU",
     4,
     {3},
     {{"tap0"}, {}, {}}},
    {"bridge with vxlan", {Dev(2, "vx", "vxlan").port_of(3), Dev(3, "br0", "bridge")}, "UU", 3, {2}},
    {"the master's number is of no device", {eth0().port_of(77)}, "U", 2, {2}},
    {"a master of unknown kind is filtered itself",
     {eth0().port_of(3), Dev(3, "bat0", "batadv")},
     "UU",
     3,
     {3}},

    // bonds, teams, vrfs
    {"bond",
     {eth0().port_of(4), Dev(3, "eth1").port_of(4), Dev(4, "bond0", "bond").route()},
     "UUU",
     4,
     {2, 3}},
    {"empty bond", {Dev(4, "bond0", "bond")}, "U", 4, {4}},
    {"vlan over bond",
     {eth0().port_of(4), Dev(4, "bond0", "bond"), Dev(5, "v", "vlan").on(4)},
     "UUU",
     5,
     {2}},
    {"bridge over bond",
     {eth0().port_of(4), Dev(4, "bond0", "bond").port_of(5), Dev(5, "br0", "bridge")},
     "UUU",
     5,
     {2}},
    {"bond of veths", {Dev(2, "v", "veth").port_of(4), Dev(4, "bond0", "bond")}, "II", 4, {2}},
    {"bond of veths with a default route",
     {Dev(2, "a", "veth").port_of(4), Dev(3, "b", "veth").port_of(4), Dev(4, "bond0", "bond").route()},
     "UUU",
     4,
     {2, 3}},
    {"team of veths with a default route on a vlan",
     {Dev(2, "a", "veth").port_of(4), Dev(4, "team0", "team"), Dev(5, "v", "vlan").on(4).route()},
     "UUU",
     5,
     {2}},
    {"vrf", {eth0().port_of(4), Dev(3, "v", "veth").port_of(4), Dev(4, "vrf0", "vrf")}, "UIU", 4, {2}},
    {"vrf of a tunnel",
     {Dev(2, "wg0", "wireguard").type(ARPHRD_NONE).port_of(4), Dev(4, "vrf0", "vrf").route()},
     "TT",
     4,
     {4}},
    {"empty vrf", {Dev(4, "vrf0", "vrf")}, "U", 4, {4}},

    // what cannot be
    {"vlan over itself", {Dev(2, "v", "vlan").on(2)}, "U", 2, {2}},
    {"vlans over each other", {Dev(2, "a", "vlan").on(3).route(), Dev(3, "b", "vlan").on(2)}, "UU", 2, {2}},
    {"bridges in each other",
     {Dev(2, "a", "bridge").port_of(3), Dev(3, "b", "bridge").port_of(2)},
     "UU",
     3,
     {3}},
    {"bond as its own port", {Dev(2, "a", "bond").port_of(2).route()}, "U", 2, {2}},
};

TEST(Classify, Table) {
    for (const Case &one : cases) {
        const auto classes = classify(topology(one.devices), one.overrides);
        EXPECT_EQ(letters(classes), one.classes) << one.what;
    }
}

TEST(Lowest, Table) {
    for (const Case &one : cases) {
        const Topology made = topology(one.devices);
        EXPECT_THAT(lowest(made, classify(made, one.overrides), one.ask), ElementsAreArray(one.lowest))
            << one.what;
    }
}

// What is unfiltered must have been given by a rule: an uplink's lowest devices are never loopback or tunnel,
// unless it is one of them itself.
TEST(Lowest, NeverEmptyAndNeverATunnel) {
    for (const Case &one : cases) {
        const Topology made = topology(one.devices);
        const auto classes = classify(made, one.overrides);
        for (std::size_t i = 0; i < made.devices.size(); ++i) {
            if (classes[i] != DeviceClass::uplink) continue;
            const auto below = lowest(made, classes, made.devices[i].ifindex);
            EXPECT_FALSE(below.empty()) << one.what;
            for (const int ifindex : below) {
                const auto at = static_cast<std::size_t>(made.find(ifindex) - made.devices.data());
                EXPECT_NE(classes[at], DeviceClass::tunnel) << one.what;
                EXPECT_NE(classes[at], DeviceClass::loopback) << one.what;
            }
        }
    }
}

TEST(Classify, LongChainsAndLoopsEnd) {
    std::vector<Dev> devices;
    for (int i = 1; i <= 2000; ++i)
        devices.push_back(Dev(i, "v" + std::to_string(i), "vlan").on(i + 1));
    devices.push_back(Dev(2001, "end", "veth"));
    Topology made = topology(devices);
    auto classes = classify(made, {});
    EXPECT_EQ(letters(classes), std::string(2001, 'I'));
    EXPECT_THAT(lowest(made, classes, 1), ElementsAreArray({2001}));
    made.devices.back() = Dev(2001, "end", "vlan").on(1);
    classes = classify(made, {});
    EXPECT_EQ(letters(classes), std::string(2001, 'U'));
    EXPECT_FALSE(lowest(made, classes, 1).empty());
}

} // namespace
} // namespace lk
