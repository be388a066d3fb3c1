// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/policy.h"

namespace lk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> words(const std::vector<BootstrapName> &names) {
    std::vector<std::string> out;
    for (const auto &name : names)
        out.push_back(name.str());
    return out;
}

TEST(BootstrapName, Lists) {
    EXPECT_THAT(words(BootstrapName::parse_list("198.51.100.53=VPN.example.org").value()),
                ElementsAre("198.51.100.53=vpn.example.org"));
    EXPECT_THAT(words(BootstrapName::parse_list("2001:db8::53=a.example,b.example.").value()),
                ElementsAre("2001:db8::53=a.example", "2001:db8::53=b.example"));
    EXPECT_EQ(BootstrapName::parse("198.51.100.53=a.b")->str(), "198.51.100.53=a.b");
    EXPECT_FALSE(BootstrapName::parse("198.51.100.53=a.b,c.d"));
}

TEST(BootstrapName, BadOnes) {
    const std::string label(63, 'x');
    const struct {
        std::string text, says;
    } rows[] = {
        {"", "names no host"},
        {"198.51.100.53", "names no host"},
        {"vpn.example.org", "names no host"},
        {"=vpn.example.org", "is empty"},
        {"198.51.100.53=", "no host name"},
        {"198.51.100.53=a.b,", "no host name"},
        {"198.51.100.53=,a.b", "no host name"},
        {"198.51.100.53=a.b=c.d", "no host name"},
        {"198.51.100.53=*.example.org", "no host name"},
        {"198.51.100.53=203.0.113.7", "an address already"},
        {"ns.example.org=vpn.example.org", "--bootstrap-dns takes addresses"},
        {"198.51.100.53:5353=vpn.example.org", "has a port"},
        {"198.51.100.0/24=vpn.example.org", "is a prefix"},
        {"224.0.0.251=vpn.example.org", "one DNS server"},
        {"198.51.100.53=" + label + "." + std::string(62, 'y'), "128 bytes in a message, 127 at most"},
    };
    for (const auto &row : rows) {
        const auto names = BootstrapName::parse_list(row.text);
        ASSERT_FALSE(names) << row.text;
        EXPECT_EQ(names.error().exit, Exit::bad_input);
        EXPECT_THAT(names.error().message, HasSubstr(row.says)) << row.text;
    }
    EXPECT_TRUE(BootstrapName::parse("198.51.100.53=" + label + "." + std::string(61, 'y')));
}

TEST(BootstrapName, InAPolicy) {
    Policy policy;
    policy.gateways = {*Gateway::parse("198.51.100.7:1194/udp")};
    policy.resolvers = {*Resolver::parse("10.42.0.1")};
    policy.bootstrap = BootstrapName::parse_list("198.51.100.53=b.example,a.example,b.example").value();
    EXPECT_TRUE(validate(policy));
    EXPECT_THAT(words(normalise(policy).bootstrap),
                ElementsAre("198.51.100.53=a.example", "198.51.100.53=b.example"));

    Policy lockdown = policy;
    lockdown.gateways.clear();
    lockdown.lockdown = true;
    EXPECT_THAT(validate(lockdown).error().message, HasSubstr("--lockdown lets no name be asked"));
    Policy resolver = policy;
    resolver.bootstrap = {*BootstrapName::parse("10.42.0.1=a.example")};
    EXPECT_THAT(validate(resolver).error().message, HasSubstr("is the resolver 10.42.0.1"));
    policy.bootstrap.clear();
    for (std::size_t i = 0; i <= max_bootstrap_names; ++i)
        policy.bootstrap.push_back(*BootstrapName::parse("198.51.100.53=a" + std::to_string(i) + ".example"));
    EXPECT_THAT(validate(policy).error().message, HasSubstr("65 names of --bootstrap-dns"));
}

} // namespace
} // namespace lk
