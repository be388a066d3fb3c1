// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "leakbpf/abi.h"
#include "policy/policy.h"

namespace lk {
namespace {

using testing::HasSubstr;

Policy usual() {
    Policy policy;
    policy.gateways = {*Gateway::parse("198.51.100.7:1194/udp")};
    policy.resolvers = {*Resolver::parse("10.42.0.1")};
    return policy;
}

void many_gateways(Policy &policy, unsigned count) {
    policy.gateways.clear();
    for (unsigned i = 0; i < count; ++i) {
        const std::uint8_t bytes[4] = {11, std::uint8_t(i >> 16), std::uint8_t(i >> 8), std::uint8_t(i)};
        policy.gateways.push_back({Prefix::host(Address::from_v4(bytes))});
    }
}

using Change = std::function<void(Policy &)>;

TEST(Validate, TakesWhatMakesSense) {
    const std::tuple<const char *, Change> rows[] = {
        {"gateway", [](Policy &) {}},
        {"only a user",
         [](Policy &p) {
             p.gateways.clear(), p.vpn_users = {{105, "openvpn"}};
         }},
        {"only a cgroup",
         [](Policy &p) {
             p.gateways.clear(), p.vpn_cgroups = {{"/vpn", 0, 0}};
         }},
        {"lockdown", [](Policy &p) { p.gateways.clear(), p.lockdown = true; }},
        {"strict with a user",
         [](Policy &p) {
             p.strict = true, p.vpn_users = {{105, "openvpn"}};
         }},
        {"strict with a cgroup",
         [](Policy &p) {
             p.strict = true, p.vpn_cgroups = {{"/vpn", 7, 1}};
         }},
        {"strict with a mark", [](Policy &p) { p.strict = true, p.vpn_mark = Fwmark{1}; }},
        {"100,000 gateways", [](Policy &p) { many_gateways(p, 100'000); }},
        {"public LAN", [](Policy &p) { p.lan = {*Prefix::parse("0.0.0.0/0")}; }},
        {"nat64", [](Policy &p) { p.nat64 = {*Prefix::parse("64:ff9b:1::/96")}; }},
    };
    for (const auto &[what, change] : rows) {
        Policy policy = usual();
        change(policy);
        const auto fits = validate(policy);
        EXPECT_TRUE(fits) << what << ": " << fits.error().message;
    }
}

TEST(Validate, RefusesWithTheValueAndWhatWasExpected) {
    const std::tuple<const char *, Change, std::vector<const char *>> rows[] = {
        {"nothing allowed", [](Policy &p) { p.gateways.clear(); }, {"--lockdown", "--gw", "--vpn-user"}},
        {"a mark allows nothing by itself",
         [](Policy &p) { p.gateways.clear(), p.vpn_mark = Fwmark{1}; },
         {"--lockdown"}},
        {"lockdown with a gateway",
         [](Policy &p) { p.lockdown = true; },
         {"--lockdown", "198.51.100.7:1194/udp"}},
        {"strict alone", [](Policy &p) { p.strict = true; }, {"--strict", "--vpn-user", "--vpn-mark"}},
        {"resolver in a gateway",
         [](Policy &p) { p.gateways.push_back(*Gateway::parse("10.42.0.0/16")); },
         {"10.42.0.1", "10.42.0.0/16", "in the clear"}},
        {"100,001 gateways", [](Policy &p) { many_gateways(p, 100'001); }, {"100,001", "100,000"}},
        {"too many rows by nat64",
         [](Policy &p) { many_gateways(p, 50'001), p.nat64 = {*Prefix::parse("64:ff9b:1::/96")}; },
         {"100,002", "100,000", "--nat64"}},
        {"10,001 LAN prefixes",
         [](Policy &p) { p.lan.resize(10'001, *Prefix::parse("10.0.0.0/8")); },
         {"10,001", "10,000", "--lan"}},
        {"nine users",
         [](Policy &p) {
             for (uid_t uid = 1; uid <= LK_MAX_UIDS + 1; ++uid)
                 p.vpn_users.push_back({uid, "x"});
         },
         {"9 VPN users", "8 at most"}},
        {"five cgroups",
         [](Policy &p) {
             p.vpn_cgroups.resize(LK_MAX_CGROUPS + 1, {"/vpn", 0, 0});
         },
         {"5 VPN cgroups", "4 at most"}},
        {"uid 0",
         [](Policy &p) {
             p.vpn_users = {{0, "root"}};
         },
         {"root", "uid 0"}},
        {"uid 65534",
         [](Policy &p) {
             p.vpn_users = {{65534, "nobody"}};
         },
         {"nobody", "65534"}},
        {"no uid",
         [](Policy &p) {
             p.vpn_users = {{4294967295u, "x"}};
         },
         {"4294967295"}},
        {"root cgroup",
         [](Policy &p) {
             p.vpn_cgroups = {{"/", 1, 0}};
         },
         {"\"/\"", "below the root"}},
        {"empty cgroup",
         [](Policy &p) {
             p.vpn_cgroups = {{"", 0, 0}};
         },
         {"below the root"}},
        {"zero-length gateway",
         [](Policy &p) { p.gateways = {{*Prefix::parse("::/0")}}; },
         {"::/0", "whole Internet"}},
        {"nat64 of /64",
         [](Policy &p) { p.nat64 = {*Prefix::parse("64:ff9b:1::/64")}; },
         {"64:ff9b:1::/64", "96"}},
        {"nat64 of IPv4", [](Policy &p) { p.nat64 = {*Prefix::parse("10.0.0.0/8")}; }, {"10.0.0.0/8", "96"}},
        {"empty device name", [](Policy &p) { p.tunnels = {""}; }, {"--tunnel", "1 to 15"}},
        {"long device name",
         [](Policy &p) { p.insides = {"a-name-too-long1"}; },
         {"--inside", "\"a-name-too-long1\""}},
        {"device name with a slash", [](Policy &p) { p.tunnels = {"a/b"}; }, {"\"a/b\""}},
        {"one device as both",
         [](Policy &p) { p.tunnels = {"wg0"}, p.insides = {"wg0"}; },
         {"\"wg0\"", "one of them"}},
    };
    for (const auto &[what, change, says] : rows) {
        Policy policy = usual();
        change(policy);
        const auto fits = validate(policy);
        ASSERT_FALSE(fits) << what;
        EXPECT_EQ(fits.error().exit, Exit::bad_input) << what;
        for (const char *part : says)
            EXPECT_THAT(fits.error().message, HasSubstr(part)) << what;
    }
}

TEST(Normalise, SortsAndDropsDoubles) {
    Policy policy;
    for (const char *text :
         {"198.51.100.9", "2001:db8::7", "198.51.100.7:1194/udp", "198.51.100.9", "198.51.100.7"})
        policy.gateways.push_back(*Gateway::parse(text));
    for (const char *text : {"10.42.0.2", "10.42.0.1", "10.42.0.2"})
        policy.resolvers.push_back(*Resolver::parse(text));
    policy.vpn_users = {{200, "b"}, {100, "openvpn"}, {200, "200"}};
    policy.vpn_cgroups = {{"/b", 0, 0}, {"/a", 0, 0}, {"/b", 0, 0}};
    policy.lan = {*Prefix::parse("10.1.0.0/16"), *Prefix::parse("10.0.0.0/16"),
                  *Prefix::parse("10.1.0.0/16")};
    policy.tunnels = {"wg1", "wg0", "wg1"};

    const Policy tidy = normalise(policy);
    std::vector<std::string> gateways;
    for (const auto &gateway : tidy.gateways)
        gateways.push_back(gateway.str());
    EXPECT_THAT(gateways, testing::UnorderedElementsAre("2001:db8::7", "198.51.100.7",
                                                        "198.51.100.7:1194/udp", "198.51.100.9"));
    EXPECT_TRUE(std::is_sorted(tidy.gateways.begin(), tidy.gateways.end()));
    EXPECT_EQ(tidy.resolvers, (std::vector{*Resolver::parse("10.42.0.2"), *Resolver::parse("10.42.0.1")}));
    EXPECT_EQ(tidy.vpn_users, (std::vector<VpnUser>{{100, "openvpn"}, {200, "b"}}));
    EXPECT_EQ(tidy.vpn_cgroups.size(), 2u);
    EXPECT_EQ(tidy.lan.size(), 2u);
    EXPECT_EQ(tidy.tunnels, (std::vector<std::string>{"wg0", "wg1"}));
    EXPECT_EQ(normalise(tidy), tidy);
}

TEST(Words, OfActionAndHookRoundTrip) {
    for (const auto action : {Action::refuse, Action::drop})
        EXPECT_EQ(*parse_action(to_string(action)), action);
    for (const auto hook : {HookKind::automatic, HookKind::tcx, HookKind::clsact})
        EXPECT_EQ(*parse_hook(to_string(hook)), hook);
    EXPECT_THAT(parse_action("reject").error().message, HasSubstr("\"reject\": expected refuse or drop"));
    EXPECT_THAT(parse_hook("xdp").error().message, HasSubstr("\"xdp\": expected auto, tcx or clsact"));
}

TEST(Validate, SocketsFor) {
    Policy policy;
    policy.lockdown = true;
    policy.sockets_for = {"tcpdump"};
    EXPECT_FALSE(validate(policy)); // nothing is locked
    policy.lock_sockets = true;
    EXPECT_TRUE(validate(policy));
    for (const char *wrong : {"", "/usr/bin/tcpdump", "a-name-of-thirty-two-characters-!"}) {
        policy.sockets_for = {wrong};
        EXPECT_FALSE(validate(policy)) << wrong;
    }
    policy.sockets_for.assign(max_sockets_for + 1, "x");
    EXPECT_FALSE(validate(policy));
    for (const auto &name : link_programs())
        EXPECT_LE(name.size(), max_program_name);
}

} // namespace
} // namespace lk
