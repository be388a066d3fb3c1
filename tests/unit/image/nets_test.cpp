// SPDX-License-Identifier: MIT
#include "image/build_nets.h"

#include <gmock/gmock.h>

#include "image_helpers.h"

namespace lk {
namespace {

using namespace test;

TEST(LanOf, CutsAsThePolicyPageSays) {
    using Why = LanPart::Why;
    const std::tuple<const char *, const char *, Why> rows[] = {
        {"192.168.1.0/24", "192.168.1.0/24", Why::is_lan},
        {"192.168.0.0/16", "192.168.0.0/16", Why::is_lan},
        {"10.7.0.0/16", "10.7.0.0/16", Why::is_lan},
        {"172.16.0.0/16", "172.16.0.0/16", Why::is_lan},
        {"172.31.255.0/24", "172.31.255.0/24", Why::is_lan},
        {"169.254.0.0/16", "169.254.0.0/16", Why::is_lan},
        {"10.0.0.5/32", "10.0.0.5", Why::is_lan},
        {"fd00:1:2:3::/64", "fd00:1:2:3::/64", Why::is_lan},
        {"fd00:1:2::/48", "fd00:1:2::/48", Why::is_lan},
        {"fe80::/64", "fe80::/64", Why::is_lan},
        {"fe80::/48", "fe80::/64", Why::is_lan}, // cut down
        {"10.0.0.0/8", "", Why::too_wide},
        {"10.6.0.0/15", "", Why::too_wide},
        {"192.168.0.0/15", "", Why::too_wide},
        {"0.0.0.0/0", "", Why::too_wide},
        {"::/0", "", Why::too_wide},
        {"fc00::/7", "", Why::too_wide},
        {"fd00::/47", "", Why::too_wide},
        {"fe80::/10", "", Why::too_wide},
        {"198.51.100.0/24", "", Why::not_private},
        {"100.64.0.0/16", "", Why::not_private}, // carrier-grade NAT: other customers
        {"172.32.0.0/16", "", Why::not_private},
        {"192.167.0.0/16", "", Why::not_private},
        {"169.253.0.0/16", "", Why::not_private},
        {"127.0.0.0/16", "", Why::not_private},
        {"224.0.0.0/24", "", Why::not_private},
        {"2001:db8:1::/64", "", Why::not_private},
        {"fe80:0:0:1::/64", "", Why::not_private},
        {"fec0::/64", "", Why::not_private},
        {"ff02::/64", "", Why::not_private},
    };
    for (const auto &[on_link, lan, why] : rows) {
        const auto part = lan_of(net(on_link));
        EXPECT_EQ(part.lan ? part.lan->str() : "", lan) << on_link;
        EXPECT_EQ(part.why, why) << on_link;
    }
}

std::string shown(const NetSet &set) {
    std::string out;
    for (const auto &row : set)
        out += row.prefix.str() + "=" + std::to_string(row.flags) + " ";
    return out;
}

TEST(FlattenNets, NarrowRowsInherit) {
    EXPECT_EQ(shown(flatten_nets({{net("10.1.0.0/16"), LK_NET_LAN},
                                  {net("10.1.2.0/24"), LK_NET_ONLINK},
                                  {net("10.1.2.1"), LK_NET_NEXTHOP},
                                  {net("203.0.113.1"), LK_NET_OWN}})),
              "10.1.0.0/16=1 10.1.2.0/24=3 10.1.2.1=7 203.0.113.1=8 ");
}

TEST(FlattenNets, ACarveOutWinsWhateverTheLengths) {
    // narrower than the LAN
    EXPECT_EQ(shown(flatten_nets(
                  {{net("10.1.0.0/16"), LK_NET_LAN | LK_NET_ONLINK}, {net("10.1.2.0/24"), 0, true}})),
              "10.1.0.0/16=3 10.1.2.0/24=2 ");
    // wider
    EXPECT_EQ(
        shown(flatten_nets({{net("10.1.2.0/24"), LK_NET_LAN | LK_NET_ONLINK}, {net("10.0.0.0/8"), 0, true}})),
        "10.1.2.0/24=2 ");
    // the same
    EXPECT_EQ(shown(flatten_nets({{net("10.1.2.0/24"), LK_NET_LAN}, {net("10.1.2.0/24"), 0, true}})), "");
    // in between: the LAN below it stays out
    EXPECT_EQ(shown(flatten_nets({{net("10.0.0.0/8"), LK_NET_LAN},
                                  {net("10.1.0.0/16"), 0, true},
                                  {net("10.1.2.0/24"), LK_NET_LAN}})),
              "10.0.0.0/8=1 10.1.0.0/16=0 ");
}

TEST(FlattenNets, LeavesOutWhatChangesNothing) {
    EXPECT_EQ(shown(flatten_nets({{net("10.1.0.0/16"), LK_NET_LAN},
                                  {net("10.1.2.0/24"), LK_NET_LAN},
                                  {net("10.1.2.3"), LK_NET_LAN},
                                  {net("10.2.0.0/16"), 0, true}})),
              "10.1.0.0/16=1 ");
    EXPECT_EQ(shown(flatten_nets({})), "");
}

TEST(FlattenNets, AgreesWithTheDefinitionOnRandomPrefixes) {
    std::mt19937 random(22);
    for (int round = 0; round < 400; ++round) {
        std::vector<NetEntry> entries;
        for (unsigned n = 1 + random() % 40; n-- > 0;) {
            NetEntry entry{crowded_prefix(random, 0), 0, random() % 4 == 0};
            const std::uint32_t kinds[] = {LK_NET_LAN, LK_NET_ONLINK, LK_NET_INSIDE,
                                           LK_NET_LAN | LK_NET_ONLINK};
            if (!entry.carve) entry.flags = kinds[random() % 4];
            if (!entry.carve && entry.prefix.is_host())
                entry.flags = random() % 2 ? LK_NET_OWN : LK_NET_NEXTHOP;
            entries.push_back(entry);
        }
        MapImage image;
        image.net_sets = {flatten_nets(entries)};
        ASSERT_TRUE(std::is_sorted(image.net_sets[0].begin(), image.net_sets[0].end(),
                                   [](const NetRow &a, const NetRow &b) { return a.prefix < b.prefix; }));
        const NativeMaps native(image);
        const auto *maps = native.maps();
        for (int probe = 0; probe < 100; ++probe) {
            Address at =
                random() % 2 ? crowded_address(random) : entries[random() % entries.size()].prefix.address;
            std::uint32_t expected = 0;
            bool carved = false;
            for (const auto &entry : entries)
                if (entry.prefix.contains(at)) {
                    expected |= entry.flags;
                    carved |= entry.carve;
                }
            if (carved) expected &= ~static_cast<std::uint32_t>(LK_NET_LAN);
            const lk_set_net key{LK_SET_BITS + 128, 1, at.abi()};
            const auto *found = maps->net(maps->self, &key);
            ASSERT_EQ(found ? *found : 0, expected) << "round " << round << ", " << at.str();
        }
    }
}

} // namespace
} // namespace lk
