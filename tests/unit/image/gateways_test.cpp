// SPDX-License-Identifier: MIT
#include "image/build_gateways.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>

#include "image_helpers.h"

namespace lk {
namespace {

using namespace test;
using Endpoint = GatewayRow::Endpoint;
using Endpoints = std::vector<Endpoint>;

GatewayRow row(const std::string &prefix, bool any, Endpoints endpoints) {
    return {net(prefix), any, endpoints};
}

TEST(Gateways, EachFormGivesItsEndpoints) {
    const std::tuple<const char *, GatewayRow> rows[] = {
        {"198.51.100.7", row("198.51.100.7", true, {})},
        {"198.51.100.7:1194",
         row("198.51.100.7", false, {{IPPROTO_TCP, 1194, false}, {IPPROTO_UDP, 1194, false}})},
        {"198.51.100.7:1194/udp", row("198.51.100.7", false, {{IPPROTO_UDP, 1194, true}})},
        {"198.51.100.7:443/tcp", row("198.51.100.7", false, {{IPPROTO_TCP, 443, true}})},
        {"198.51.100.7/esp", row("198.51.100.7", false, {{IPPROTO_ESP, 0, true}})},
        {"[2001:db8::7]:51820/udp", row("2001:db8::7", false, {{IPPROTO_UDP, 51820, true}})},
    };
    for (const auto &[text, expected] : rows) {
        const auto set = build_gateways(policy({text}));
        EXPECT_THAT(set.hosts, testing::ElementsAre(expected)) << text;
        EXPECT_TRUE(set.nets.empty()) << text;
    }
}

TEST(Gateways, HostsAndPrefixesInheritFromWhatCoversThem) {
    const auto set = build_gateways(policy({"198.51.100.0/24:1194/udp", "198.51.100.128/25:443/tcp",
                                            "198.51.100.129", "198.51.100.1/esp", "203.0.113.1:53"}));
    EXPECT_THAT(set.nets, testing::ElementsAre(row("198.51.100.0/24", false, {{IPPROTO_UDP, 1194, true}}),
                                               row("198.51.100.128/25", false,
                                                   {{IPPROTO_TCP, 443, true}, {IPPROTO_UDP, 1194, true}})));
    EXPECT_THAT(set.hosts,
                testing::ElementsAre(
                    row("198.51.100.1", false, {{IPPROTO_UDP, 1194, true}, {IPPROTO_ESP, 0, true}}),
                    row("198.51.100.129", true, {{IPPROTO_TCP, 443, true}, {IPPROTO_UDP, 1194, true}}),
                    row("203.0.113.1", false, {{IPPROTO_TCP, 53, false}, {IPPROTO_UDP, 53, false}})));
}

TEST(Gateways, AnExactEntryWinsOverTheSamePortWithoutProtocol) {
    const auto set = build_gateways(policy({"198.51.100.7:1194", "198.51.100.0/24:1194/udp"}));
    EXPECT_THAT(set.hosts,
                testing::ElementsAre(
                    row("198.51.100.7", false, {{IPPROTO_TCP, 1194, false}, {IPPROTO_UDP, 1194, true}})));
}

TEST(Gateways, Nat64AddsTheTranslatedAddressOfIpv4Only) {
    auto wanted = policy({"198.51.100.7:443/tcp", "203.0.113.0/24", "2001:db8::7"});
    wanted.nat64 = {net("64:ff9b:1::/96")};
    const auto set = build_gateways(wanted);
    EXPECT_THAT(set.hosts,
                testing::ElementsAre(row("198.51.100.7", false, {{IPPROTO_TCP, 443, true}}),
                                     row("64:ff9b:1::c633:6407", false, {{IPPROTO_TCP, 443, true}}),
                                     row("2001:db8::7", true, {})));
    EXPECT_THAT(set.nets, testing::ElementsAre(row("203.0.113.0/24", true, {}),
                                               row("64:ff9b:1::cb00:7100/120", true, {})));
}

TEST(Gateways, LockdownHasNone) {
    auto locked = policy({"198.51.100.7"});
    locked.lockdown = true;
    EXPECT_EQ(build_gateways(locked), GatewaySet{});
}

// The rows answer by bytes, IPv4 as ::ffff:a.b.c.d: an IPv6 prefix that contains those bytes must not answer.
TEST(Gateways, AWideIpv6PrefixIsNoGatewayForIpv4) {
    const std::tuple<const char *, const char *> rows[] = {{"::/1", "::7"},
                                                           {"::/64", "::7"},
                                                           {"::/80", "::7"},
                                                           {"::ff00:0:0/88", "::ff07:0:0"},
                                                           {"::fffe:0:0/95", "::fffe:0:7"}};
    for (const auto &[wide, inside] : rows) {
        MapImage image;
        image.gateway_sets = {build_gateways(policy({wide}))};
        const NativeMaps native(image);
        const auto *maps = native.maps();
        const lk_set_net v4{LK_SET_BITS + 128, 1, addr("198.51.100.7").abi()};
        EXPECT_EQ(maps->gw_net(maps->self, &v4), nullptr) << wide;
        const lk_set_net v6{LK_SET_BITS + 128, 1, addr(inside).abi()};
        EXPECT_NE(maps->gw_net(maps->self, &v6), nullptr) << wide;
    }
}

// ---- against the definition ---------------------------------------------------------------

struct Cover {
    bool known = false, covered = false, exact = false;
    bool operator==(const Cover &) const = default;
};

// docs/policy.md, "A gateway entry covers", word by word.
Cover by_definition(const Policy &policy, const Address &to, std::uint8_t protocol, std::uint16_t port) {
    Cover cover;
    const bool ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
    const auto try_entry = [&](const Gateway &gateway, const Prefix &prefix) {
        if (!prefix.contains(to)) return;
        cover.known = true;
        const bool same_protocol = static_cast<std::uint8_t>(gateway.protocol) == protocol;
        switch (gateway.protocol) {
        case Protocol::any:
            if (gateway.port == 0 && !(ports && port == 53)) cover.covered = true;
            if (gateway.port != 0 && ports && gateway.port == port) cover.covered = true;
            return;
        case Protocol::esp:
            if (same_protocol) cover.covered = cover.exact = true;
            return;
        default:
            if (same_protocol && gateway.port == port) cover.covered = cover.exact = true;
        }
    };
    for (const auto &gateway : policy.gateways) {
        try_entry(gateway, gateway.prefix);
        if (!gateway.prefix.address.is_v4()) continue;
        for (const auto &nat64 : policy.nat64) {
            auto bytes = nat64.address.bytes();
            for (int i = 12; i < 16; ++i)
                bytes[i] = gateway.prefix.address.bytes()[i];
            try_entry(gateway, Prefix::of(Address::from_v6(bytes.data()), 96 + gateway.prefix.length));
        }
    }
    return cover;
}

// As the kernel finds it: exact row first, then the longest prefix, then what is inline, then the port rows.
Cover by_rows(const NativeMaps &native, const Address &to, std::uint8_t protocol, std::uint16_t port) {
    const auto *maps = native.maps();
    const lk_set_addr host{1, to.abi()};
    const lk_set_net any_length{LK_SET_BITS + 128, 1, to.abi()};
    const lk_gw *gw = find(native.gateways(), host);
    if (!gw) gw = maps->gw_net(maps->self, &any_length);
    if (!gw) return {};
    Cover cover{true, false, false};
    const bool dns = (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && port == 53;
    if (gw->any && !dns) cover.covered = true;
    for (unsigned i = 0; i < gw->n_endpoints; ++i)
        if (gw->endpoints[i].proto == protocol && gw->endpoints[i].port == htons(port)) {
            cover.covered = true;
            cover.exact |= gw->endpoints[i].exact == 1;
        }
    if (gw->port_set) {
        const lk_set_port key{gw->port_set, htons(port), protocol, 0};
        if (const auto *more = maps->gw_port(maps->self, &key)) {
            cover.covered = true;
            cover.exact |= *more == 2;
        }
    }
    return cover;
}

TEST(Gateways, AgreeWithTheDefinitionOnRandomPolicies) {
    std::mt19937 random(20);
    const std::uint16_t ports[] = {0, 53, 443, 500, 1194, 1195, 4500, 51820};
    for (int round = 0; round < 300; ++round) {
        Policy wanted;
        for (unsigned n = 1 + random() % 40; n-- > 0;) {
            Gateway gateway;
            gateway.prefix = crowded_prefix(random, 1);
            const Protocol protocols[] = {Protocol::any, Protocol::tcp, Protocol::udp, Protocol::esp};
            gateway.protocol = protocols[random() % 4];
            if (gateway.protocol == Protocol::any)
                gateway.port = ports[random() % 8];
            else if (gateway.protocol != Protocol::esp)
                gateway.port = ports[1 + random() % 7];
            wanted.gateways.push_back(gateway);
        }
        if (random() % 3 == 0) wanted.nat64 = {net("0:0:0:1::/96"), net("64:ff9b::/96")};
        MapImage image;
        image.gateway_sets = {build_gateways(wanted)};
        const NativeMaps native(image);
        for (int probe = 0; probe < 100; ++probe) {
            Address to = crowded_address(random);
            if (random() % 2) to = wanted.gateways[random() % wanted.gateways.size()].prefix.address;
            const std::uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ESP, IPPROTO_ICMP};
            const auto protocol = protocols[random() % 4];
            const bool has_ports = protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
            const std::uint16_t port = has_ports ? ports[random() % 8] : 0;
            ASSERT_EQ(by_rows(native, to, protocol, port), by_definition(wanted, to, protocol, port))
                << "round " << round << ", " << to.str() << " protocol " << int(protocol) << " port " << port;
        }
    }
}

TEST(Gateways, OrderAndDoublesDoNotMatter) {
    std::mt19937 random(21);
    Policy wanted = policy(
        {"198.51.100.0/24", "198.51.100.7:1194/udp", "198.51.100.7", "[2001:db8::/32]:1", "203.0.113.9"});
    const auto expected = build_gateways(wanted);
    for (int round = 0; round < 50; ++round) {
        auto shuffled = wanted;
        shuffled.gateways.push_back(wanted.gateways[random() % wanted.gateways.size()]);
        std::shuffle(shuffled.gateways.begin(), shuffled.gateways.end(), random);
        EXPECT_EQ(build_gateways(shuffled), expected);
    }
}

} // namespace
} // namespace lk
