// SPDX-License-Identifier: MIT
// One uplink: flags, own addresses, LAN, notices.
#include <arpa/inet.h>
#include <gmock/gmock.h>

#include <cstring>

#include "image_helpers.h"

namespace lk {
namespace {

using namespace test;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const char *const usual_gateway = "198.51.100.7:1194/udp";

Built build(const std::vector<Device> &devices, const Policy &policy,
            const std::vector<std::string> &names = {"eth0"}) {
    return build_image(document(names, policy), topology(devices));
}

TEST(BuildPolicy, EachSwitchSetsItsFlag) {
    using Change = void (*)(Policy &);
    const std::tuple<const char *, Change, std::uint32_t> rows[] = {
        {"strict", [](Policy &p) { p.strict = true; }, LK_POLICY_STRICT},
        {"no-lan", [](Policy &p) { p.no_lan = true; }, LK_POLICY_NO_LAN},
        {"lan-names", [](Policy &p) { p.lan_names = true; }, LK_POLICY_LAN_NAMES},
        {"no-multicast", [](Policy &p) { p.no_multicast = true; }, LK_POLICY_NO_MULTICAST},
        {"drop", [](Policy &p) { p.action = Action::drop; }, LK_POLICY_SILENT},
        {"a prefix", [](Policy &p) { p.gateways.push_back(*Gateway::parse("203.0.113.0/24")); },
         LK_POLICY_GW_NETS},
        {"a user",
         [](Policy &p) {
             p.vpn_users = {{105, "openvpn"}};
         },
         LK_POLICY_IDENTITY},
        {"a cgroup",
         [](Policy &p) {
             p.vpn_cgroups = {{"/vpn", 77, 1}};
         },
         LK_POLICY_IDENTITY},
        {"an unresolved cgroup is nobody",
         [](Policy &p) {
             p.vpn_cgroups = {{"/vpn", 0, 0}};
         },
         0},
        {"root is nobody",
         [](Policy &p) {
             p.vpn_users = {{0, "root"}, {65534, "nobody"}};
         },
         0},
        {"resolver", [](Policy &p) { p.resolvers = {*Resolver::parse("10.42.0.1")}; }, LK_POLICY_RESOLVER4},
        {"resolver6", [](Policy &p) { p.resolvers = {*Resolver::parse("2001:db8::53")}; },
         LK_POLICY_RESOLVER6},
        {"mark",
         [](Policy &p) {
             p.vpn_mark = Fwmark{5, 7};
         },
         LK_POLICY_FWMARK},
        {"lan", [](Policy &p) { p.lan = {net("203.0.113.0/24")}; }, 0},
    };
    for (const auto &[what, change, flag] : rows) {
        auto wanted = policy({usual_gateway});
        change(wanted);
        const auto built = build({device(2, "eth0")}, wanted);
        EXPECT_EQ(row_of(built.image, "eth0")->record.policy.flags,
                  LK_POLICY_ACTIVE | LK_POLICY_GW_HOSTS | flag)
            << what;
    }
    auto locked = policy({});
    locked.lockdown = true;
    EXPECT_EQ(row_of(build({device(2, "eth0")}, locked).image, "eth0")->record.policy.flags,
              LK_POLICY_ACTIVE);
}

TEST(BuildPolicy, FillsInTheRecord) {
    auto wanted = policy({usual_gateway});
    wanted.vpn_users = {{0, "root"}, {105, "openvpn"}, {106, "tor"}};
    wanted.vpn_cgroups = {{"/none", 0, 0}, {"/a", 7, 2}};
    wanted.resolvers = {*Resolver::parse("2001:db8::53"), *Resolver::parse("10.42.0.1:5353"),
                        *Resolver::parse("10.42.0.2")};
    wanted.vpn_mark = Fwmark{0x10, 0xf0};
    const auto built = build({device(2, "eth0")}, wanted);
    const auto &record = row_of(built.image, "eth0")->record.policy;
    EXPECT_EQ(record.n_uids, 2u);
    EXPECT_EQ(record.uids[0], 105u);
    EXPECT_EQ(record.uids[1], 106u);
    EXPECT_EQ(record.n_cgroups, 1u);
    EXPECT_EQ(record.cgroups[0].id, 7u);
    EXPECT_EQ(record.cgroups[0].level, 2u);
    EXPECT_EQ(Address::from_abi(record.resolver4).str(), "10.42.0.1");
    EXPECT_EQ(ntohs(record.resolver4_port), 5353);
    EXPECT_EQ(Address::from_abi(record.resolver6).str(), "2001:db8::53");
    EXPECT_EQ(ntohs(record.resolver6_port), 53);
    EXPECT_EQ(record.fwmark, 0x10u);
    EXPECT_EQ(record.fwmark_mask, 0xf0u);
    EXPECT_EQ(record.gw_set, 0u); // the commit's
}

TEST(BuildDevice, FlagsFollowKindAndMaster) {
    auto modem = device(3, "wwan0");
    modem.arphrd = ARPHRD_RAWIP;
    auto bond = device(4, "bond0", {}, "bond");
    auto slave = device(5, "eth1");
    slave.master = 4;
    auto bridge = device(6, "br0", {}, "bridge");
    auto port = device(7, "eth2");
    port.master = 6;
    const auto built = build({device(2, "eth0"), modem, bond, slave, bridge, port}, policy({usual_gateway}),
                             {"eth0", "wwan0", "bond0", "br0"});
    EXPECT_EQ(built.uplinks, (std::vector<int>{2, 3, 5, 7}));
    EXPECT_EQ(row_of(built.image, "eth0")->record.flags, 0u);
    EXPECT_EQ(row_of(built.image, "wwan0")->record.flags, LK_DEV_L3);
    EXPECT_EQ(row_of(built.image, "eth1")->record.flags, LK_DEV_BOND_PORT);
    EXPECT_EQ(row_of(built.image, "eth2")->record.flags, LK_DEV_BRIDGE_PORT);
}

TEST(BuildDevice, PppoeNeedsAGuardedPppDevice) {
    auto ppp = device(3, "ppp0", {}, "ppp");
    ppp.arphrd = ARPHRD_PPP;
    auto wanted = policy({usual_gateway});
    const auto flag = [](const Built &built) {
        return row_of(built.image, "eth0")->record.flags & LK_DEV_PPPOE;
    };
    EXPECT_EQ(flag(build({device(2, "eth0"), ppp}, wanted)), 0u);
    wanted.pppoe = true;
    const auto with = build({device(2, "eth0"), ppp}, wanted);
    EXPECT_EQ(flag(with), LK_DEV_PPPOE);
    EXPECT_EQ(row_of(with.image, "ppp0")->record.flags, LK_DEV_L3);
    EXPECT_THAT(with.notices, testing::Not(Contains(HasSubstr("--pppoe"))));
    const auto without = build({device(2, "eth0")}, wanted);
    EXPECT_EQ(flag(without), 0u);
    EXPECT_THAT(without.notices, Contains(HasSubstr("--pppoe")));
    auto bare = document({"eth0"}, wanted);
    bare.scopes[0].unguarded = {3};
    EXPECT_EQ(flag(build_image(bare, topology({device(2, "eth0"), ppp}))), 0u);
}

TEST(BuildDevice, AFrameThatNobodyCanReadNeverLeaves) {
    auto infiniband = device(2, "ib0", {"192.168.1.5/24"});
    infiniband.arphrd = ARPHRD_INFINIBAND;
    const auto built = build({infiniband}, policy({usual_gateway}), {"ib0"});
    ASSERT_EQ(built.uplinks, std::vector<int>{2});
    const auto &record = row_of(built.image, "ib0")->record;
    EXPECT_EQ(record.policy.flags, 0u);
    EXPECT_EQ(record.ifindex, 2u);
    EXPECT_THAT(built.notices, Contains(HasSubstr("ib0: frames of its link type")));
}

TEST(BuildDevice, OwnAddressesIpv4First) {
    const auto built = build({device(2, "eth0", {"2001:db8::5/64", "192.168.1.5/24", "fe80::5/64"})},
                             policy({usual_gateway}));
    const auto &record = row_of(built.image, "eth0")->record;
    ASSERT_EQ(record.n_own, 3u);
    EXPECT_EQ(Address::from_abi(record.own[0]).str(), "192.168.1.5");
    EXPECT_EQ(Address::from_abi(record.own[1]).str(), "2001:db8::5");
    EXPECT_EQ(Address::from_abi(record.own[2]).str(), "fe80::5");
    EXPECT_EQ(flags_at(built.image, "eth0", "192.168.1.5"), LK_NET_LAN | LK_NET_ONLINK);
}

TEST(BuildDevice, OwnAddressesBeyondTheRecordAreRows) {
    std::vector<std::string> addresses;
    for (int i = 1; i <= 7; ++i)
        addresses.push_back("192.168.1." + std::to_string(i) + "/24");
    for (int i = 1; i <= 4; ++i)
        addresses.push_back("2001:db8::" + std::to_string(i) + "/64");
    const auto built = build({device(2, "eth0", addresses)}, policy({usual_gateway}));
    const auto &record = row_of(built.image, "eth0")->record;
    EXPECT_EQ(record.n_own, unsigned{LK_MAX_OWN});
    EXPECT_EQ(record.flags, LK_DEV_NETS | LK_DEV_MORE_OWN);
    EXPECT_EQ(Address::from_abi(record.own[7]).str(), "2001:db8::1");
    EXPECT_EQ(flags_at(built.image, "eth0", "2001:db8::1"), LK_NET_ONLINK);
    EXPECT_EQ(flags_at(built.image, "eth0", "2001:db8::2"), LK_NET_ONLINK | LK_NET_OWN);
    EXPECT_EQ(flags_at(built.image, "eth0", "2001:db8::4"), LK_NET_ONLINK | LK_NET_OWN);
    EXPECT_EQ(flags_at(built.image, "eth0", "2001:db8::5"), LK_NET_ONLINK);
    const auto eight =
        build({device(2, "eth0", {addresses.begin(), addresses.begin() + 8})}, policy({usual_gateway}));
    EXPECT_EQ(row_of(eight.image, "eth0")->record.flags, LK_DEV_NETS);
}

TEST(BuildDevice, WhatIsStackedOnItCounts) {
    auto macvlan = device(3, "mv0", {"192.168.7.5/24"}, "macvlan");
    macvlan.lower = 2;
    macvlan.next_hops = {addr("192.168.7.1")};
    const auto built = build({device(2, "eth0", {"192.168.1.5/24"}), macvlan}, policy({usual_gateway}));
    EXPECT_EQ(built.uplinks, std::vector<int>{2});
    EXPECT_EQ(row_of(built.image, "eth0")->record.n_own, 2u);
    EXPECT_EQ(flags_at(built.image, "eth0", "192.168.7.1"), LK_NET_LAN | LK_NET_ONLINK | LK_NET_NEXTHOP);
    // named by the upper device, the filter sits on the same lower one
    const auto upper =
        build({device(2, "eth0", {"192.168.1.5/24"}), macvlan}, policy({usual_gateway}), {"mv0"});
    EXPECT_EQ(upper.uplinks, std::vector<int>{2});
}

TEST(BuildLan, HoldsWhatThePolicyPageSays) {
    auto eth0 = device(2, "eth0", {"192.168.1.5/24", "198.51.100.9/24", "fe80::5/64", "2001:db8::5/64"});
    eth0.next_hops = {addr("198.51.100.1"), addr("fe80::1"), addr("203.0.113.254")};
    auto wanted = policy({usual_gateway});
    wanted.lan = {net("203.0.113.0/28")};
    const auto image = build({eth0}, wanted).image;
    const std::tuple<const char *, std::uint32_t> rows[] = {
        {"192.168.1.5", LK_NET_LAN | LK_NET_ONLINK},
        {"192.168.1.255", LK_NET_LAN | LK_NET_ONLINK}, // broadcast
        {"192.168.2.1", 0},
        {"255.255.255.255", 0},
        {"224.0.0.251", 0},
        {"198.51.100.7", LK_NET_ONLINK}, // public
        {"198.51.100.1", LK_NET_ONLINK | LK_NET_NEXTHOP},
        {"203.0.113.1", LK_NET_LAN}, // --lan
        {"203.0.113.16", 0},
        {"203.0.113.254", LK_NET_NEXTHOP},
        {"fe80::7", LK_NET_LAN | LK_NET_ONLINK},
        {"fe80::1", LK_NET_LAN | LK_NET_ONLINK | LK_NET_NEXTHOP},
        {"fe80:0:0:1::7", 0},
        {"2001:db8::7", LK_NET_ONLINK},
        {"2001:db8:0:1::7", 0},
        {"ff02::1", 0},
    };
    for (const auto &[address, flags] : rows)
        EXPECT_EQ(flags_at(image, "eth0", address), flags) << address;
}

TEST(BuildLan, LinkLocalNeedsAnOwnAddressInIt) {
    EXPECT_EQ(flags_at(build({device(2, "eth0", {"192.168.1.5/24"})}, policy({usual_gateway})).image, "eth0",
                       "fe80::7"),
              0u);
    EXPECT_EQ(flags_at(build({device(2, "eth0", {"fe80::5/128"})}, policy({usual_gateway})).image, "eth0",
                       "fe80::7"),
              LK_NET_LAN);
    EXPECT_EQ(flags_at(build({device(2, "eth0", {"fe80::5/10"})}, policy({usual_gateway})).image, "eth0",
                       "fe80::7"),
              LK_NET_LAN | LK_NET_ONLINK);
}

TEST(BuildLan, TunnelsAndResolversAreCarvedOut) {
    auto wanted = policy({usual_gateway});
    wanted.resolvers = {*Resolver::parse("192.168.1.53")};
    wanted.lan = {net("10.0.0.0/8"), net("192.168.1.53")};
    auto wg = device(3, "wg0", {"10.42.0.2/16", "fd00:42::2/64", "fe80::42/64"}, "wireguard");
    const auto eth0 = device(2, "eth0", {"192.168.1.5/24", "10.42.7.5/24", "fd00:42::5/64", "fe80::5/64"});
    const auto image = build({eth0, wg}, wanted).image;
    EXPECT_EQ(flags_at(image, "eth0", "192.168.1.53"), LK_NET_ONLINK);
    EXPECT_EQ(flags_at(image, "eth0", "192.168.1.54"), LK_NET_LAN | LK_NET_ONLINK);
    EXPECT_EQ(flags_at(image, "eth0", "10.41.0.1"), LK_NET_LAN);
    EXPECT_EQ(flags_at(image, "eth0", "10.42.0.1"), 0u);
    EXPECT_EQ(flags_at(image, "eth0", "10.42.7.1"),
              LK_NET_ONLINK); // narrower than the tunnel's prefix: still out
    EXPECT_EQ(flags_at(image, "eth0", "fd00:42::1"), LK_NET_ONLINK);
    EXPECT_EQ(flags_at(image, "eth0", "fe80::1"),
              LK_NET_LAN | LK_NET_ONLINK); // a link's own, the tunnel has another
    // without the tunnel the LAN is back
    EXPECT_EQ(flags_at(build({eth0}, wanted).image, "eth0", "10.42.7.1"), LK_NET_LAN | LK_NET_ONLINK);
}

TEST(BuildLan, APointToPointTunnelCarvesBothEnds) {
    auto tun = device(3, "tun0", {}, "tun");
    tun.arphrd = ARPHRD_NONE;
    tun.addresses = {{addr("192.168.1.66"), 32, false, addr("192.168.1.77")}};
    const auto image = build({device(2, "eth0", {"192.168.1.5/24"}), tun}, policy({usual_gateway})).image;
    EXPECT_EQ(flags_at(image, "eth0", "192.168.1.66"), LK_NET_ONLINK);
    EXPECT_EQ(flags_at(image, "eth0", "192.168.1.77"), LK_NET_ONLINK);
    EXPECT_EQ(flags_at(image, "eth0", "192.168.1.78"), LK_NET_LAN | LK_NET_ONLINK);
}

TEST(BuildLan, AnotherScopesResolverIsCarvedOutToo) {
    auto first = policy({usual_gateway});
    auto second = first;
    second.resolvers = {*Resolver::parse("192.168.1.53:5353")};
    const Document both{{Scope{{"eth0"}, true, {}, first}, Scope{{"eth1"}, false, {}, second}}};
    const auto built =
        build_image(both, topology({device(2, "eth0", {"192.168.1.5/24"}), device(3, "eth1")}));
    EXPECT_EQ(flags_at(built.image, "eth0", "192.168.1.53"), LK_NET_ONLINK);
}

TEST(BuildLan, AWideLanPrefixNeverAnswersForIpv4) {
    auto wanted = policy({usual_gateway});
    wanted.lan = {net("::/0")};
    const auto image = build({device(2, "eth0")}, wanted).image;
    EXPECT_EQ(flags_at(image, "eth0", "198.51.100.9"), 0u);
    EXPECT_EQ(flags_at(image, "eth0", "2001:db8::9"), LK_NET_LAN);
}

// To the routers that it was opened to, of the devices that have them still; the socket hooks know them too.
TEST(BuildPortal, OpensToItsRoutersWhileTheyAreRouters) {
    Device eth0 = device(2, "eth0", {"10.1.0.5/24"}), eth1 = device(3, "eth1", {"10.2.0.5/24"});
    eth0.routers = {addr("10.1.0.1"), addr("fe80::1")};
    eth1.routers = {addr("10.2.0.1")};
    Document open = document({"eth0", "eth1"}, policy({}));
    open.portal = Portal{77, {{2, addr("10.1.0.1")}, {2, addr("10.1.0.9")}, {3, addr("fe80::1")}}};
    const Built built = build_image(open, topology({eth0, eth1}));
    for (const char *name : {"eth0", "eth1"})
        EXPECT_EQ(row_of(built.image, name)->record.policy.portal_until_ns, 77u);
    EXPECT_EQ(built.image.host.policy.portal_until_ns, 77u);
    EXPECT_TRUE(flags_at(built.image, "eth0", "10.1.0.1") & LK_NET_ROUTER);
    for (const char *other : {"10.1.0.9", "fe80::1", "10.2.0.1", "10.1.0.2"})
        EXPECT_FALSE(flags_at(built.image, "eth0", other) & LK_NET_ROUTER) << other;
    EXPECT_FALSE(flags_at(built.image, "eth1", "fe80::1") & LK_NET_ROUTER);
    EXPECT_FALSE(flags_at(built.image, "eth1", "10.2.0.1") & LK_NET_ROUTER);
    const NetSet &host = built.image.net_sets.at(built.image.host_net_set);
    EXPECT_EQ(
        std::count_if(host.begin(), host.end(), [](const NetRow &row) { return row.flags & LK_NET_ROUTER; }),
        1);
    open.portal.reset();
    EXPECT_EQ(build_image(open, topology({eth0, eth1})).image.host.policy.portal_until_ns, 0u);
}

// What is the VPN's by its address is nobody's router, also when it becomes so while the portal is open.
TEST(BuildPortal, NeverOpensToWhatIsCarvedOut) {
    Device eth0 = device(2, "eth0", {"10.2.0.5/24"});
    eth0.routers = {addr("10.2.0.1")};
    const Device tunnel = device(3, "tun0", {"10.2.0.7/28"}, "wireguard");
    Policy asks = policy({});
    asks.resolvers = {*Resolver::parse("10.2.0.1")};
    const auto opens = [&](const Policy &wanted, const Topology &around) {
        Document open = document({"eth0"}, wanted);
        open.portal = Portal{77, {{2, addr("10.2.0.1")}}};
        const MapImage image = build_image(open, around).image;
        const NetSet &host = image.net_sets.at(image.host_net_set);
        const auto router = [](const NetRow &row) { return (row.flags & LK_NET_ROUTER) != 0; };
        EXPECT_EQ(std::ranges::any_of(host, router),
                  (flags_at(image, "eth0", "10.2.0.1") & LK_NET_ROUTER) != 0);
        return std::ranges::any_of(host, router);
    };
    EXPECT_TRUE(opens(policy({}), topology({eth0})));
    EXPECT_FALSE(opens(asks, topology({eth0})));
    EXPECT_FALSE(opens(policy({}), topology({eth0, tunnel})));
}

TEST(BuildNotices, SayWhatWasLeftOutAndWhy) {
    using Change = void (*)(Policy &);
    const Change nothing = [](Policy &) {};
    const std::tuple<std::vector<const char *>, Change, const char *> rows[] = {
        {{"198.51.100.9/24"},
         nothing,
         "eth0: 198.51.100.0/24 is not a private network, so it was left out of the LAN; add --lan "
         "198.51.100.0/24"},
        {{"100.64.3.4/16"}, nothing, "eth0: 100.64.0.0/16 is not a private network"},
        {{"10.1.2.3/8"}, nothing, "eth0: 10.0.0.0/8 is too wide for a LAN"},
        {{"10.1.2.3/0"}, nothing, "eth0: 0.0.0.0/0 is too wide for a LAN"},
        {{"2001:db8::5/64"}, nothing, "eth0: 2001:db8::/64 is not a private network"},
        {{"198.51.100.9/24"}, [](Policy &p) { p.lan = {net("198.51.0.0/16")}; }, nullptr},
        {{"198.51.100.9/24"}, [](Policy &p) { p.no_lan = true; }, nullptr},
        {{"2001:db8::5/128", "198.51.100.9/32"}, nothing, nullptr}, // nobody else is in there
        {{"192.168.1.5/24", "fe80::5/64"}, nothing, nullptr},
        {{"fe80::5/10"}, nothing, nullptr},
    };
    for (const auto &[addresses, change, says] : rows) {
        auto wanted = policy({usual_gateway});
        change(wanted);
        const auto built = build({device(2, "eth0", {addresses.begin(), addresses.end()})}, wanted);
        if (says)
            EXPECT_THAT(built.notices, testing::ElementsAre(HasSubstr(says)));
        else
            EXPECT_THAT(built.notices, IsEmpty()) << addresses.front();
    }
}

TEST(BuildNotices, NameResolversAndTunnelsThatCollide) {
    auto wanted = policy({usual_gateway});
    wanted.resolvers = {*Resolver::parse("192.168.1.1"), *Resolver::parse("198.51.100.1"),
                        *Resolver::parse("10.42.0.1")};
    const auto built = build({device(2, "eth0", {"192.168.1.5/24", "198.51.100.9/24", "10.1.2.3/24"}),
                              device(3, "wg0", {"10.0.0.2/8"}, "wireguard")},
                             wanted);
    EXPECT_THAT(built.notices, Contains(HasSubstr("the resolver 192.168.1.1 is on the network of eth0")));
    EXPECT_THAT(built.notices, Contains(HasSubstr("the resolver 198.51.100.1 is on the network of eth0")));
    EXPECT_THAT(built.notices, testing::Not(Contains(HasSubstr("the resolver 10.42.0.1"))));
    EXPECT_THAT(built.notices,
                Contains(HasSubstr(
                    "the tunnel wg0 has the prefix 10.0.0.0/8, which covers the LAN 10.1.2.0/24 of eth0")));
}

TEST(BuildNotices, NameAStrictPolicyThatLetsNothingPass) {
    auto wanted = policy({"198.51.100.7", "198.51.100.8:1194"});
    wanted.strict = true;
    wanted.vpn_mark = Fwmark{1};
    EXPECT_THAT(build({device(2, "eth0")}, wanted).notices, Contains(HasSubstr("names its protocol")));
    wanted.vpn_users = {{105, "openvpn"}};
    EXPECT_THAT(build({device(2, "eth0")}, wanted).notices, IsEmpty());
    wanted.gateways.clear();
    EXPECT_THAT(build({device(2, "eth0")}, wanted).notices, Contains(HasSubstr("none is named")));
}

} // namespace
} // namespace lk
