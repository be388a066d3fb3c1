// SPDX-License-Identifier: MIT
#include "image/native_maps.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "image_helpers.h"

namespace lk {
namespace {

using namespace test;

TEST(NativeMaps, GiveTheFinishedRecord) {
    const auto built = build_image(document({"eth0"}, policy({"198.51.100.7"})),
                                   topology({device(2, "eth0", {"192.168.1.5/24"})}));
    const NativeMaps maps(built.image);
    const auto record = maps.device(2);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->epoch, 1u);
    EXPECT_EQ(record->ifindex, 2u);
    EXPECT_EQ(record->net_set, row_of(built.image, "eth0")->net_set + 1);
    EXPECT_EQ(record->policy.gw_set, 1u);
    EXPECT_FALSE(maps.device(3));
    const auto host = maps.host(42);
    EXPECT_EQ(host.epoch, 1u);
    EXPECT_EQ(host.netns_cookie, 42u);
    EXPECT_EQ(host.policy.gw_set, 1u);
    EXPECT_NE(host.net_set, 0u);
    EXPECT_NE(host.net_set, record->net_set);
}

TEST(NativeMaps, KeepSetsApart) {
    MapImage image;
    image.net_sets = {{{net("10.0.0.0/8"), LK_NET_LAN}},
                      {{net("10.0.0.0/8"), LK_NET_ONLINK}, {net("10.1.0.0/16"), LK_NET_OWN}}};
    const NativeMaps native(image);
    const auto *maps = native.maps();
    const auto at = [&](std::uint32_t set, const char *address) {
        const lk_set_net key{LK_SET_BITS + 128, set, addr(address).abi()};
        const auto *flags = maps->net(maps->self, &key);
        return flags ? *flags : 0;
    };
    EXPECT_EQ(at(1, "10.1.2.3"), LK_NET_LAN);
    EXPECT_EQ(at(2, "10.1.2.3"), LK_NET_OWN);
    EXPECT_EQ(at(2, "10.2.2.3"), LK_NET_ONLINK);
    EXPECT_EQ(at(0, "10.1.2.3"), 0u);
    EXPECT_EQ(at(3, "10.1.2.3"), 0u);
    EXPECT_EQ(at(1, "11.1.2.3"), 0u);
}

TEST(NativeMaps, KeepEndpointsBeyondTheRow) {
    std::vector<std::string> gateways;
    for (int port = 1001; port <= 1000 + LK_GW_ENDPOINTS; ++port)
        gateways.push_back("198.51.100.7:" + std::to_string(port) + "/udp");
    const lk_set_addr key{1, addr("198.51.100.7").abi()};
    {
        MapImage image = build_image(document({}, policy(gateways)), {}).image;
        const NativeMaps native(image);
        const auto *row = find(native.gateways(), key);
        ASSERT_NE(row, nullptr);
        EXPECT_EQ(row->n_endpoints, LK_GW_ENDPOINTS);
        EXPECT_EQ(row->port_set, 0u);
    }
    gateways.push_back("198.51.100.7:2000");
    const NativeMaps native(build_image(document({}, policy(gateways)), {}).image);
    const auto *maps = native.maps();
    const auto *row = find(native.gateways(), key);
    ASSERT_NE(row, nullptr);
    ASSERT_NE(row->port_set, 0u);
    EXPECT_EQ(row->n_endpoints, LK_GW_ENDPOINTS);
    int found = 0;
    for (const std::uint8_t protocol : {IPPROTO_TCP, IPPROTO_UDP})
        for (int port = 0; port < 65536; ++port) {
            const lk_set_port more{row->port_set, htons(static_cast<std::uint16_t>(port)), protocol, 0};
            if (const auto *value = maps->gw_port(maps->self, &more)) {
                ++found;
                EXPECT_EQ(*value, port == 2000 ? 1u : 2u) << port;
            }
        }
    EXPECT_EQ(found, 2); // seven in all
}

TEST(NativeMaps, BoundTheFragments) {
    NativeMaps native(MapImage{});
    const auto *maps = native.maps();
    lk_frag_key key{};
    const lk_frag value{7, LK_GATEWAY, 0};
    for (std::uint32_t id = 0; id < LK_FRAG_ENTRIES + 10; ++id) {
        key.id = id;
        maps->frag_put(maps->self, &key, &value);
        maps->frag_put(maps->self, &key, &value); // again: one entry still
    }
    EXPECT_EQ(native.fragments(), std::size_t{LK_FRAG_ENTRIES});
    ASSERT_NE(maps->frag(maps->self, &key), nullptr);
    EXPECT_EQ(maps->frag(maps->self, &key)->reason, unsigned{LK_GATEWAY});
    key.id = 9;
    EXPECT_EQ(maps->frag(maps->self, &key), nullptr);
    key.id = 10;
    EXPECT_NE(maps->frag(maps->self, &key), nullptr);
    native.clear();
    EXPECT_EQ(native.fragments(), 0u);
    EXPECT_EQ(maps->frag(maps->self, &key), nullptr);
    native.set_now(99);
    EXPECT_EQ(maps->now_ns, 99u);
}

} // namespace
} // namespace lk
