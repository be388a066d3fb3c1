// SPDX-License-Identifier: MIT
// A cgroup's LAN: a few prefixes are in its record, as they are found by the programs; more are rows.
#include <gtest/gtest.h>

#include <algorithm>

#include "image/build_scope.h"
#include "image_helpers.h"

namespace lk {
namespace {

using test::addr;
using test::net;

ScopeImage scope_with(const std::vector<std::string> &lan) {
    Policy policy;
    for (const auto &prefix : lan)
        policy.lan.push_back(net(prefix));
    return build_scope(policy);
}

// As bpf/scope_judge.h does it.
bool in_lan(const ScopeImage &image, const std::string &text) {
    const lk_addr at = addr(text).abi();
    return std::ranges::any_of(image.lan, [&](const lk_scope_prefix &prefix) {
        for (int i = 0; i < 4; ++i)
            if ((at.w[i] ^ prefix.addr.w[i]) & prefix.mask.w[i]) return false;
        return true;
    });
}

TEST(BuildScope, AFewPrefixesAreInTheRecord) {
    const auto image = scope_with({"10.7.0.0/16", "192.168.1.5/32", "2001:db8:1::/48", "fd00::/8"});
    EXPECT_TRUE(image.nets.empty());
    ASSERT_EQ(image.lan.size(), LK_SCOPE_PREFIXES);
    for (const char *inside : {"10.7.0.0", "10.7.255.255", "192.168.1.5", "2001:db8:1::7", "fdff::1"})
        EXPECT_TRUE(in_lan(image, inside)) << inside;
    for (const char *outside :
         {"10.6.255.255", "10.8.0.0", "192.168.1.4", "192.168.1.6", "2001:db8:2::", "fc00::1", "::a07:1"})
        EXPECT_FALSE(in_lan(image, outside)) << outside;
}

TEST(BuildScope, NoPrefixHoldsNothing) {
    const auto image = scope_with({});
    EXPECT_TRUE(image.nets.empty());
    EXPECT_FALSE(in_lan(image, "10.7.0.1"));
    EXPECT_FALSE(in_lan(image, "::"));
}

TEST(BuildScope, APrefixInsideAnotherTakesNoPlace) {
    EXPECT_EQ(scope_with({"10.0.0.0/8", "10.7.0.0/16"}).lan.size(), 1U);
}

TEST(BuildScope, MorePrefixesAreRows) {
    const auto image =
        scope_with({"10.1.0.0/16", "10.3.0.0/16", "10.5.0.0/16", "10.7.0.0/16", "2001:db8:1::/48"});
    EXPECT_TRUE(image.lan.empty());
    EXPECT_EQ(image.nets.size(), LK_SCOPE_PREFIXES + 1);
}

// IPv4 is not in it, though it is kept as ::ffff:0:0/96.
TEST(BuildScope, AWidePrefixOfIpv6HoldsNoIpv4) {
    const auto image = scope_with({"::/1"});
    EXPECT_TRUE(image.lan.empty());
    for (const NetRow &row : image.nets)
        EXPECT_FALSE(row.flags && row.prefix.contains(addr("198.51.100.7"))) << row.prefix.str();
}

} // namespace
} // namespace lk
