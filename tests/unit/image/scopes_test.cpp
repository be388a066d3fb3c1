// SPDX-License-Identifier: MIT
// Which policy holds where, what is shared, and what the socket hooks go by.
#include <gmock/gmock.h>

#include <set>

#include "image_helpers.h"

namespace lk {
namespace {

using namespace test;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

using Ints = std::vector<int>;

// Scopes are told apart by one uid each.
Scope scope(const std::vector<std::string> &uplinks, bool takes_new, uid_t uid, const Ints &unguarded = {}) {
    Policy made = policy({"198.51.100.7"});
    made.vpn_users = {{uid, std::to_string(uid)}};
    return {uplinks, takes_new, unguarded, made};
}

std::uint32_t uid_of(const Built &built, const std::string &name) {
    const auto *row = row_of(built.image, name);
    return row ? row->record.policy.uids[0] : 0;
}

const std::vector<Device> three{device(2, "eth0"), device(3, "wlan0"), device(4, "usb0")};

TEST(Scopes, ANewUplinkGoesWithTheLastScopeThatTakesNewOnes) {
    const auto built =
        build_image({{scope({"eth0"}, true, 101), scope({"wlan0"}, true, 102)}}, topology(three));
    EXPECT_EQ(uid_of(built, "eth0"), 101u);
    EXPECT_EQ(uid_of(built, "wlan0"), 102u);
    EXPECT_EQ(uid_of(built, "usb0"), 102u);
    EXPECT_EQ(built.uplinks, (Ints{2, 3, 4}));
    EXPECT_THAT(built.unguarded, IsEmpty());
    EXPECT_EQ(built.image.host.policy.uids[0], 102u);
}

TEST(Scopes, OnlyGuardsItsNamesAlone) {
    const auto built =
        build_image({{scope({"eth0"}, true, 101), scope({"wlan0"}, false, 102)}}, topology(three));
    EXPECT_EQ(uid_of(built, "wlan0"), 102u);
    EXPECT_EQ(uid_of(built, "usb0"), 101u);
    EXPECT_EQ(built.image.host.policy.uids[0], 101u);

    const auto only = build_image({{scope({"wlan0"}, false, 102)}}, topology(three));
    EXPECT_EQ(only.uplinks, Ints{3});
    EXPECT_EQ(only.unguarded, (Ints{2, 4}));
    EXPECT_EQ(only.image.host.policy.uids[0], 102u); // the last one, where none takes new ones
    EXPECT_THAT(only.notices, Contains(HasSubstr("eth0 is an uplink too and is not guarded")));
    EXPECT_THAT(only.notices, Contains(HasSubstr("usb0 is an uplink too")));
}

TEST(Scopes, UplinksThatWereLeftAloneStayAsTheyAre) {
    const auto built = build_image({{scope({"eth0"}, true, 101, {3})}}, topology(three));
    EXPECT_EQ(built.uplinks, (Ints{2, 4}));
    EXPECT_EQ(built.unguarded, Ints{3});
    // only the list of the scope that takes it in counts
    const auto two =
        build_image({{scope({"eth0"}, true, 101, {3}), scope({"usb0"}, true, 102)}}, topology(three));
    EXPECT_EQ(two.uplinks, (Ints{2, 3, 4}));
    EXPECT_EQ(uid_of(two, "wlan0"), 102u);
    // named by a scope and in its own list: guarded
    EXPECT_EQ(build_image({{scope({"eth0"}, true, 101, {2})}}, topology({device(2, "eth0")})).uplinks,
              Ints{2});
}

TEST(Scopes, TheLastScopeThatNamesADeviceHasIt) {
    const auto built =
        build_image({{scope({"eth0"}, true, 101), scope({"eth0"}, false, 102)}}, topology(three));
    EXPECT_EQ(uid_of(built, "eth0"), 102u);
}

TEST(Scopes, WhatIsNotThereIsNotInTheImage) {
    const auto built = build_image({{scope({"eth9"}, false, 101)}}, topology({device(2, "eth0")}));
    EXPECT_THAT(built.image.devices, IsEmpty());
    EXPECT_EQ(built.image.host.policy.uids[0], 101u);
    const auto empty = build_image({}, topology(three));
    EXPECT_THAT(empty.image.devices, IsEmpty());
    EXPECT_EQ(empty.unguarded, (Ints{2, 3, 4}));
    EXPECT_EQ(empty.image.host.policy.flags, 0u);
    EXPECT_EQ(empty.image.host_net_set, no_set);
    EXPECT_THAT(build_image({{scope({"eth0"}, true, 101)}}, {}).image.devices, IsEmpty());
}

TEST(Scopes, LoopbackTunnelsAndInsideDevicesAreNoUplinks) {
    auto lo = device(1, "lo", {"127.0.0.1/8"});
    lo.loopback = true;
    const auto built =
        build_image({{scope({"eth0"}, true, 101)}},
                    topology({lo, device(2, "eth0"), device(3, "wg0", {}, "wireguard"),
                              device(4, "veth1", {}, "veth"), device(5, "br0", {}, "bridge")}));
    EXPECT_EQ(built.uplinks, Ints{2});
    EXPECT_THAT(built.unguarded, IsEmpty());
    // not even when somebody names it: what runs on the machine itself would stop
    EXPECT_EQ(build_image({{scope({"eth0", "lo"}, true, 101)}}, topology({lo, device(2, "eth0")})).uplinks,
              Ints{2});
}

TEST(Scopes, NamesOverruleTheKind) {
    auto wanted = scope({"veth1"}, true, 101);
    wanted.policy.tunnels = {"usb0"};
    wanted.policy.insides = {"wlan0"};
    auto devices = three;
    devices.push_back(device(5, "veth1", {}, "veth"));
    const auto built = build_image({{wanted}}, topology(devices));
    EXPECT_EQ(built.uplinks, (Ints{2, 5}));
}

TEST(Sharing, EqualSetsAreThereOnce) {
    Scope one = scope({"eth0", "wlan0"}, false, 101), other = scope({"usb0"}, false, 102);
    const auto built = build_image({{one, other}}, topology({device(2, "eth0", {"192.168.1.5/24"}),
                                                             device(3, "wlan0", {"192.168.1.6/24"}),
                                                             device(4, "usb0", {"192.168.2.5/24"})}));
    EXPECT_EQ(built.image.gateway_sets.size(), 1u);
    for (const auto &row : built.image.devices)
        EXPECT_EQ(row.gateway_set, 0u);
    EXPECT_EQ(built.image.host_gateway_set, 0u);
    EXPECT_EQ(row_of(built.image, "eth0")->net_set, row_of(built.image, "wlan0")->net_set);
    EXPECT_NE(row_of(built.image, "eth0")->net_set, row_of(built.image, "usb0")->net_set);

    other.policy.gateways = policy({"198.51.100.7:1194/udp"}).gateways;
    EXPECT_EQ(build_image({{one, other}}, topology(three)).image.gateway_sets.size(), 2u);
}

TEST(Sharing, AnEmptySetHasNoPlace) {
    auto locked = scope({"eth0"}, true, 101);
    locked.policy.gateways.clear();
    const auto built = build_image({{locked}}, topology({device(2, "eth0")}));
    const auto *row = row_of(built.image, "eth0");
    EXPECT_EQ(row->gateway_set, no_set);
    EXPECT_EQ(row->net_set, no_set);
    EXPECT_EQ(row->record.flags, 0u);
    EXPECT_TRUE(built.image.gateway_sets.empty());
    EXPECT_TRUE(built.image.net_sets.empty());
}

std::uint32_t host_flags_at(const MapImage &image, const std::string &address) {
    const NativeMaps maps(image);
    const lk_set_net key{LK_SET_BITS + 128, static_cast<__u32>(image.host_net_set + 1), addr(address).abi()};
    const auto *flags = maps.maps()->net(maps.maps()->self, &key);
    return flags ? *flags : 0;
}

TEST(Host, KnowsItsOwnAddressesAndInsidePrefixes) {
    const auto built = build_image({{scope({"eth0"}, true, 101)}},
                                   topology({device(2, "eth0", {"192.168.1.5/24", "fe80::5/64"}),
                                             device(3, "wg0", {"10.42.0.2/24"}, "wireguard"),
                                             device(4, "br0", {"172.17.0.1/16", "fe80::6/64"}, "bridge")}));
    const auto &image = built.image;
    EXPECT_EQ(host_flags_at(image, "192.168.1.5"), LK_NET_OWN);
    EXPECT_EQ(host_flags_at(image, "192.168.1.6"), 0u);
    EXPECT_EQ(host_flags_at(image, "10.42.0.2"), LK_NET_OWN);
    EXPECT_EQ(host_flags_at(image, "10.42.0.1"), 0u);
    EXPECT_EQ(host_flags_at(image, "172.17.0.1"), LK_NET_OWN | LK_NET_INSIDE);
    EXPECT_EQ(host_flags_at(image, "172.17.9.9"), LK_NET_INSIDE);
    EXPECT_EQ(host_flags_at(image, "fe80::6"), LK_NET_OWN);
    EXPECT_EQ(host_flags_at(image, "fe80::1"), 0u); // the router's resolver is not inside
}

} // namespace
} // namespace lk
