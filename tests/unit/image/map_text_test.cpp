// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "image/map_words.h"
#include "image_helpers.h"

namespace lk {
namespace {

using namespace test;

MapImage small_image() {
    auto wanted = policy({"198.51.100.7:1194/udp", "198.51.100.8:443", "203.0.113.0/24", "198.51.100.9/esp"});
    wanted.resolvers = {*Resolver::parse("10.42.0.1"), *Resolver::parse("2001:db8::53")};
    wanted.vpn_users = {{105, "openvpn"}};
    wanted.vpn_cgroups = {{"/vpn", 77, 2}};
    wanted.vpn_mark = Fwmark{0x10, 0xf0};
    wanted.strict = true;
    return build_image(document({"eth0"}, wanted), topology({device(2, "eth0", {"192.168.1.5/24"})})).image;
}

TEST(MapText, SaysEverything) {
    EXPECT_EQ(to_text(small_image()), R"(uplink eth0 (ifindex 2)
    flags      nets
    own        192.168.1.5
    rows       gateways 1, networks 1
    policy     active strict gateway-addresses gateway-nets identity resolver4 resolver6 fwmark
    fwmark     0x10/0xf0
    vpn uid    105
    vpn cgroup 77 at level 2
    resolver   10.42.0.1:53
    resolver   [2001:db8::53]:53
socket hooks
    rows       gateways 1, networks 2
    policy     active strict gateway-addresses gateway-nets identity resolver4 resolver6 fwmark gate
    fwmark     0x10/0xf0
    vpn uid    105
    vpn cgroup 77 at level 2
    resolver   10.42.0.1:53
    resolver   [2001:db8::53]:53
gateways 1: 3 addresses, 1 prefixes
    198.51.100.7               udp/1194
    198.51.100.8               tcp/443? udp/443?
    198.51.100.9               esp
    203.0.113.0/24             any
networks 1: 1 prefixes
    192.168.1.0/24             lan on-link
networks 2: 1 prefixes
    192.168.1.5                own
)");
}

TEST(MapText, OfNothing) {
    EXPECT_EQ(to_text(MapImage{}), "no uplink\nsocket hooks\n    rows       none, none\n    policy     -\n");
}

TEST(MapJson, SaysTheSame) {
    const auto json = nlohmann::json::parse(to_json(small_image()));
    const auto &uplink = json["uplinks"][0];
    EXPECT_EQ(uplink["name"], "eth0");
    EXPECT_EQ(uplink["ifindex"], 2);
    EXPECT_EQ(uplink["own"], nlohmann::json::array({"192.168.1.5"}));
    EXPECT_EQ(uplink["gateways"], 1);
    EXPECT_EQ(uplink["policy"]["vpn_uids"][0], 105);
    EXPECT_EQ(uplink["policy"]["vpn_cgroups"][0]["level"], 2);
    EXPECT_EQ(uplink["policy"]["fwmark"]["mask"], 0xf0);
    EXPECT_EQ(json["socket_hooks"]["networks"], 2);
    EXPECT_EQ(json["gateways"][0]["addresses"][0]["prefix"], "198.51.100.7");
    EXPECT_EQ(json["gateways"][0]["prefixes"][0]["allows"][0], "any");
    EXPECT_EQ(json["networks"][0][0]["flags"], nlohmann::json::array({"lan", "on-link"}));
    EXPECT_TRUE(nlohmann::json::parse(to_json(MapImage{}))["socket_hooks"]["gateways"].is_null());
}

TEST(MapJson, TakesAnyDeviceName) {
    MapImage image;
    image.devices.emplace_back().name = "e\xff";
    EXPECT_NO_THROW(nlohmann::json::parse(to_json(image)));
}

TEST(MapText, IsStable) {
    EXPECT_EQ(to_text(small_image()), to_text(small_image()));
    EXPECT_EQ(to_json(small_image()), to_json(small_image()));
}

TEST(MapWords, NameEveryBit) {
    EXPECT_EQ(words::policy_flags(0xffffffff).size(), 32u);
    EXPECT_EQ(words::policy_flags(LK_POLICY_FWMARK), std::vector<std::string>{"fwmark"});
    EXPECT_EQ(words::device_flags(LK_DEV_L3 | LK_DEV_MORE_OWN), (std::vector<std::string>{"l3", "more-own"}));
    EXPECT_EQ(words::net_flags(LK_NET_INSIDE | 1u << 6), (std::vector<std::string>{"inside", "bit-6"}));
}

} // namespace
} // namespace lk
