// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/dns_name.h"

namespace lk {
namespace {

using testing::HasSubstr;

const std::string label63(63, 'a');

TEST(DnsName, Text) {
    const struct {
        std::string text, str, wire;
    } rows[] = {
        {"vpn.example.org", "vpn.example.org", std::string("\3vpn\7example\3org\0", 17)},
        {"VPN.Example.ORG.", "vpn.example.org", std::string("\3vpn\7example\3org\0", 17)},
        {"_a-1.xn--bcher-kva.example", "_a-1.xn--bcher-kva.example",
         std::string("\4_a-1\15xn--bcher-kva\7example\0", 28)},
        {"router", "router", std::string("\6router\0", 8)},
        {label63, label63, "\x3f" + label63 + std::string(1, '\0')},
        {"1.2.3.4.example", "1.2.3.4.example",
         std::string("\1"
                     "1\1"
                     "2\1"
                     "3\1"
                     "4\7example\0",
                     17)},
    };
    for (const auto &row : rows) {
        const auto name = DnsName::parse(row.text);
        ASSERT_TRUE(name) << row.text << ": " << name.error().message;
        EXPECT_EQ(name->str(), row.str);
        EXPECT_EQ(name->wire(), row.wire);
    }
    EXPECT_EQ(*DnsName::parse("A.b"), *DnsName::parse("a.B."));
}

TEST(DnsName, NoNames) {
    const std::string three = label63 + '.' + label63 + '.' + label63 + '.';
    const struct {
        std::string text, says;
    } rows[] = {
        {"", "between single dots"},
        {".", "between single dots"},
        {"a..b", "between single dots"},
        {".a", "between single dots"},
        {"a.b..", "between single dots"},
        {"a b", "letters, digits"},
        {"a\\046b", "letters, digits"},
        {"*.example", "letters, digits"},
        {"b\xc3\xbc"
         "cher.example",
         "xn--"},
        {std::string("a\0b", 3), "letters, digits"},
        {label63 + "a.org", "64 bytes, 63 at most"},
        {three + std::string(62, 'a'), "256 bytes in a message, 255 at most"},
        {"198.51.100.7", "an address already"},
        {"2001:db8::7", "an address already"},
        {"198.51.100.07", "ends in a number"},
        {"127.1", "ends in a number"},
        {"0", "ends in a number"},
    };
    for (const auto &row : rows) {
        const auto name = DnsName::parse(row.text);
        ASSERT_FALSE(name) << row.text;
        EXPECT_EQ(name.error().exit, Exit::bad_input);
        EXPECT_THAT(name.error().message, HasSubstr(row.says)) << row.text;
    }
    EXPECT_TRUE(DnsName::parse(three + std::string(61, 'a')));
}

} // namespace
} // namespace lk
