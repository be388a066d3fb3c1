// SPDX-License-Identifier: MIT
#include "kernel/rows.h"

#include <arpa/inet.h>

#include <cstring>
#include <set>

#include <gtest/gtest.h>

namespace lk {
namespace {

GatewayRow row(const char *prefix, std::vector<GatewayRow::Endpoint> endpoints = {}) {
    return {Prefix::parse(prefix).value(), endpoints.empty(), std::move(endpoints)};
}

std::vector<GatewayRow::Endpoint> ports(std::uint16_t count) {
    std::vector<GatewayRow::Endpoint> endpoints;
    for (std::uint16_t port = 1; port <= count; ++port)
        endpoints.push_back({17, port, port % 2 == 0});
    return endpoints;
}

struct Ids {
    std::uint32_t next = 100;
    IdSource source = [this] { return next++; };
};

} // namespace

TEST(Rows, AServiceHasARowForEachFamily) {
    Rows rows;
    Ids ids;
    GatewaySet set;
    set.services = {ServedPort::parse("tcp/22").value(), ServedPort::parse("udp/443@203.0.113.0/24").value(),
                    ServedPort::parse("tcp/80@::/0").value()};
    rows.add(set, 42, ids.source);
    ASSERT_EQ(rows.serve_keys.size(), 4u);
    ASSERT_EQ(rows.serve_values.size(), 4u);
    const auto is = [&](std::size_t i, unsigned bits, int port, int proto, int family) {
        const auto &key = rows.serve_keys[i];
        return key.set == 42 && key.prefix_bits == LK_SERVE_BITS + bits && key.port == htons(port) &&
               key.proto == proto && key.family == family;
    };
    EXPECT_TRUE(is(0, 96, 22, 6, 4));
    EXPECT_TRUE(is(1, 0, 22, 6, 6));
    EXPECT_TRUE(is(2, 96 + 24, 443, 17, 4));
    EXPECT_TRUE(is(3, 0, 80, 6, 6));
    EXPECT_EQ(rows.serve_keys[2].addr.w[3], htonl(0xcb007100));
}

TEST(Rows, AHostIsKeyedBySetAndMappedAddress) {
    Rows rows;
    Ids ids;
    rows.add(GatewaySet{{row("198.51.100.7"), row("2001:db8::7")}, {}}, 42, ids.source);
    ASSERT_EQ(rows.gw.size(), 2u);
    EXPECT_EQ(rows.gw[0].key.set, 42u);
    EXPECT_EQ(rows.gw[0].key.addr.w[2], htonl(0xffff));
    EXPECT_EQ(rows.gw[0].key.addr.w[3], htonl(0xc6336407));
    EXPECT_EQ(rows.gw[1].key.addr.w[0], htonl(0x20010db8));
    EXPECT_EQ(rows.gw[0].gw.any, 1);
    EXPECT_EQ(rows.gw[0].gw.n_endpoints, 0);
    EXPECT_EQ(ids.next, 100u) << "no port set is needed";
}

TEST(Rows, APrefixHasTheBitsOfTheSetInFrontOfItsMappedLength) {
    Rows rows;
    Ids ids;
    rows.add(GatewaySet{{}, {row("198.51.100.0/24"), row("2001:db8::/32")}}, 42, ids.source);
    rows.add(NetSet{{Prefix::parse("10.0.0.0/8").value(), LK_NET_LAN}}, 43);
    ASSERT_EQ(rows.gw_net_keys.size(), 2u);
    EXPECT_EQ(rows.gw_net_keys[0].prefix_bits, 32u + 96u + 24u);
    EXPECT_EQ(rows.gw_net_keys[1].prefix_bits, 32u + 32u);
    EXPECT_EQ(rows.gw_net_keys[1].set, 42u);
    ASSERT_EQ(rows.net_keys.size(), 1u);
    EXPECT_EQ(rows.net_keys[0].prefix_bits, 32u + 96u + 8u);
    EXPECT_EQ(rows.net_keys[0].set, 43u);
    EXPECT_EQ(rows.net_values[0], static_cast<__u32>(LK_NET_LAN));
}

TEST(Rows, EndpointsAreInlineAsLongAsTheyFit) {
    Rows rows;
    Ids ids;
    rows.add(GatewaySet{{row("198.51.100.7", ports(LK_GW_ENDPOINTS))}, {}}, 1, ids.source);
    const auto &value = rows.gw[0].gw;
    EXPECT_EQ(value.any, 0);
    EXPECT_EQ(value.n_endpoints, LK_GW_ENDPOINTS);
    EXPECT_EQ(value.port_set, 0u);
    EXPECT_EQ(value.endpoints[1].port, htons(2));
    EXPECT_EQ(value.endpoints[1].proto, 17);
    EXPECT_EQ(value.endpoints[1].exact, 1);
    EXPECT_EQ(value.endpoints[0].exact, 0);
    EXPECT_TRUE(rows.gw_port_keys.empty());
}

TEST(Rows, EndpointsBeyondAreRowsThatEqualGatewaysShare) {
    Rows rows;
    Ids ids;
    const auto many = ports(LK_GW_ENDPOINTS + 3);
    rows.add(GatewaySet{{row("198.51.100.7", many), row("198.51.100.8", many),
                         row("198.51.100.9", ports(LK_GW_ENDPOINTS + 1))},
                        {row("203.0.113.0/24", many)}},
             1, ids.source);
    EXPECT_EQ(rows.gw[0].gw.port_set, 100u);
    EXPECT_EQ(rows.gw[1].gw.port_set, 100u);
    EXPECT_EQ(rows.gw[2].gw.port_set, 101u);
    EXPECT_EQ(rows.gw_net_values[0].port_set, 100u);
    ASSERT_EQ(rows.gw_port_keys.size(), 4u);
    EXPECT_EQ(rows.gw_port_keys[0].port, htons(6));
    EXPECT_EQ(rows.gw_port_keys[0].proto, 17);
    EXPECT_EQ(rows.gw_port_values[0], 2u) << "1 + exact";
    EXPECT_EQ(rows.gw_port_values[1], 1u);
}

TEST(Rows, APortGivenBothWaysIsExact) {
    Rows rows;
    Ids ids;
    auto endpoints = ports(LK_GW_ENDPOINTS);
    endpoints.push_back({17, 9999, false});
    endpoints.push_back({17, 9999, true});
    rows.add(GatewaySet{{row("198.51.100.7", endpoints)}, {}}, 1, ids.source);
    ASSERT_EQ(rows.gw_port_keys.size(), 1u);
    EXPECT_EQ(rows.gw_port_values[0], 2u);
}

namespace {

std::vector<DeviceRow> devices(std::initializer_list<std::uint32_t> ifindexes) {
    std::vector<DeviceRow> rows;
    for (const auto ifindex : ifindexes)
        rows.emplace_back().record.ifindex = ifindex;
    return rows;
}

} // namespace

TEST(PlaceDevices, EachSitsWithinItsProbesAndAlone) {
    const auto rows = devices({2, 3, 2 + LK_DEV_SLOTS, 2 + 2 * LK_DEV_SLOTS, LK_DEV_SLOTS - 1});
    const auto slots = place_devices(rows);
    ASSERT_EQ(slots.size(), rows.size());
    EXPECT_EQ(std::set(slots.begin(), slots.end()).size(), slots.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
        EXPECT_LT((slots[i] + LK_DEV_SLOTS - rows[i].record.ifindex % LK_DEV_SLOTS) % LK_DEV_SLOTS,
                  LK_DEV_PROBES);
}

TEST(PlaceDevices, GoesRoundAtTheEnd) {
    const auto last = LK_DEV_SLOTS - 1;
    EXPECT_EQ(place_devices(devices({last, last + LK_DEV_SLOTS})), (std::vector<std::uint32_t>{last, 0}));
}

TEST(PlaceDevices, RefusesWhatDoesNotFit) {
    EXPECT_FALSE(place_devices(devices({1, 1025, 2049, 3073})).empty());
    EXPECT_TRUE(place_devices(devices({1, 1025, 2049, 3073, 4097})).empty());
    std::vector<DeviceRow> full;
    for (std::uint32_t i = 0; i < LK_DEV_SLOTS; ++i)
        full.emplace_back().record.ifindex = 500 + i;
    EXPECT_EQ(place_devices(full).size(), LK_DEV_SLOTS);
    full.emplace_back().record.ifindex = 7;
    EXPECT_TRUE(place_devices(full).empty());
}

} // namespace lk
