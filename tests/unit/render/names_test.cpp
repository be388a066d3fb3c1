// SPDX-License-Identifier: MIT
#include "render/names.h"

#include <gtest/gtest.h>

#include <set>

namespace lk {
namespace {

template <typename Name>
void expect_complete(unsigned size, Name name) {
    std::set<std::string> seen;
    for (unsigned number = 0; number < size; ++number) {
        const std::string word(name(number));
        EXPECT_FALSE(word.empty() || word == "?") << number;
        EXPECT_TRUE(seen.insert(word).second) << word;
    }
    EXPECT_EQ(name(size), "?");
}

TEST(Names, EveryNumberOfTheAbiHasItsOwnWord) {
    expect_complete(LK_VERDICTS, verdict_name);
    expect_complete(LK_REASONS, reason_name);
    expect_complete(LK_HOOKS, hook_name);
}

TEST(Names, AreWhereTheAbiHasThem) {
    const char *const words[] = {"no-policy",    "ethertype",       "malformed",     "source",   "fragment",
                                 "dns",          "not-allowed",     "bypass",        "arp",      "link",
                                 "vpn-daemon",   "gateway",         "served",        "lan",      "multicast",
                                 "out-of-scope", "dns-no-resolver", "dns-no-tunnel", "dns-form", "dns-ports",
                                 "dns-flow",     "dns-size",        "bootstrap-dns", "portal"};
    const lk_reason reasons[] = {
        LK_NO_POLICY,   LK_ETHERTYPE, LK_MALFORMED, LK_SOURCE,       LK_FRAGMENT,        LK_DNS,
        LK_NOT_ALLOWED, LK_BYPASS,    LK_ARP,       LK_LINK,         LK_VPN_DAEMON,      LK_GATEWAY,
        LK_SERVED,      LK_LAN,       LK_MULTICAST, LK_OUT_OF_SCOPE, LK_DNS_NO_RESOLVER, LK_DNS_NO_TUNNEL,
        LK_DNS_FORM,    LK_DNS_PORTS, LK_DNS_FLOW,  LK_DNS_SIZE,     LK_BOOTSTRAP_DNS,   LK_PORTAL};
    ASSERT_EQ(std::size(words), static_cast<std::size_t>(LK_REASONS));
    for (std::size_t index = 0; index < std::size(words); ++index)
        EXPECT_EQ(reason_name(reasons[index]), words[index]);
    EXPECT_EQ(verdict_name(LK_DROP), "drop");
    EXPECT_EQ(verdict_name(LK_REFUSE), "refuse");
    EXPECT_EQ(verdict_name(LK_PASS), "pass");
    EXPECT_EQ(hook_name(LK_HOOK_UPLINK), "uplink");
    EXPECT_EQ(hook_name(LK_HOOK_CONNECT6), "connect6");
}

} // namespace
} // namespace lk
