// SPDX-License-Identifier: MIT
#include "policy/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace lk {
namespace {

using testing::HasSubstr;

Address address(const char *text) {
    auto parsed = Address::parse(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : Address{};
}

Prefix prefix(const char *text) {
    auto parsed = Prefix::parse(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : Prefix{};
}

TEST(Address, RoundTrips) {
    for (const char *text : {"198.51.100.7", "0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::7",
                             "fe80::1", "ff02::fb", "64:ff9b::c633:6407", "1:2:3:4:5:6:7:8"})
        EXPECT_EQ(address(text).str(), text);
}

TEST(Address, KeepsIpv4Mapped) {
    const Address v4 = address("198.51.100.7");
    EXPECT_TRUE(v4.is_v4());
    EXPECT_EQ(v4.width(), 32u);
    const std::uint8_t expected[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 51, 100, 7};
    const lk_addr abi = v4.abi();
    EXPECT_EQ(std::memcmp(&abi, expected, 16), 0);
    EXPECT_EQ(Address::from_abi(abi), v4);
    EXPECT_EQ(Address::from_v4(expected + 12), v4);
    EXPECT_FALSE(address("::1").is_v4());
    EXPECT_FALSE(address("::").is_v4());
}

struct Bad {
    const char *text, *says;
};

TEST(Address, RefusesWithTheTextAndWhatWasExpected) {
    const Bad rows[] = {
        {"", "expected one like"},
        {"198.51.100", "expected one like"},
        {"198.51.100.7.1", "expected one like"},
        {"198.51.100.07", "expected one like"},
        {"198.51.100.256", "expected one like"},
        {"0xc6336407", "expected one like"},
        {"3325256711", "expected one like"},
        {" 198.51.100.7", "expected one like"},
        {"198.51.100.7 ", "expected one like"},
        {"198.51.100.7x", "expected one like"},
        {"[2001:db8::7]", "expected one like"},
        {"2001:db8:::7", "expected one like"},
        {"2001:db8::7::", "expected one like"},
        {"1:2:3:4:5:6:7:8:9", "expected one like"},
        {"2001:db8::12345", "expected one like"},
        {"fe80::1%eth0", "zone"},
        {"198.51.100.7%eth0", "zone"},
        {"::ffff:198.51.100.7", "write 198.51.100.7"},
        {"::ffff:c633:6407", "write 198.51.100.7"},
    };
    for (const auto &[text, says] : rows) {
        auto parsed = Address::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().exit, Exit::bad_input);
        EXPECT_THAT(parsed.error().message, HasSubstr(std::string("\"") + text + "\""));
        EXPECT_THAT(parsed.error().message, HasSubstr(says)) << text;
    }
    EXPECT_FALSE(Address::parse(std::string_view("::1\0x", 5)));
    EXPECT_FALSE(Address::parse(std::string(5000, '1')));
}

TEST(Prefix, RoundTrips) {
    for (const char *text : {"198.51.100.0/24", "198.51.100.7", "0.0.0.0/0", "::/0", "2001:db8::/32",
                             "2001:db8::7", "128.0.0.0/1", "8000::/1", "198.51.100.6/31"})
        EXPECT_EQ(prefix(text).str(), text);
    EXPECT_EQ(prefix("198.51.100.7/32").str(), "198.51.100.7");
    EXPECT_EQ(prefix("2001:db8::7/128"), Prefix::host(address("2001:db8::7")));
}

TEST(Prefix, RefusesWithTheTextAndWhatWasExpected) {
    const Bad rows[] = {
        {"198.51.100.7/24", "write 198.51.100.0/24 for the network"},
        {"2001:db8::7/64", "write 2001:db8::/64 for the network"},
        {"198.51.100.0/33", "expected 0 to 32"},
        {"2001:db8::/129", "expected 0 to 128"},
        {"198.51.100.0/", "expected 0 to 32"},
        {"198.51.100.0/024", "expected 0 to 32"},
        {"198.51.100.0/+8", "expected 0 to 32"},
        {"198.51.100.0/24/24", "expected 0 to 32"},
        {"198.51.100.0/255.255.255.0", "expected 0 to 32"},
        {"198.51.100.0/4294967320", "expected 0 to 32"},
    };
    for (const auto &[text, says] : rows) {
        auto parsed = Prefix::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_THAT(parsed.error().message, HasSubstr(std::string("\"") + text + "\""));
        EXPECT_THAT(parsed.error().message, HasSubstr(says)) << text;
    }
    EXPECT_FALSE(Prefix::parse("/24"));
    EXPECT_FALSE(Prefix::parse("::ffff:10.0.0.0/104"));
}

TEST(Prefix, OfClearsHostBits) {
    EXPECT_EQ(Prefix::of(address("198.51.100.255"), 25), prefix("198.51.100.128/25"));
    EXPECT_EQ(Prefix::of(address("198.51.100.255"), 0), prefix("0.0.0.0/0"));
    EXPECT_EQ(Prefix::of(address("2001:db8:ffff::1"), 33), prefix("2001:db8:8000::/33"));
    EXPECT_EQ(Prefix::of(address("ffff::"), 0), prefix("::/0"));
    EXPECT_EQ(Prefix::of(address("198.51.100.7"), 999), prefix("198.51.100.7"));
}

TEST(Prefix, ContainsStaysInItsFamily) {
    EXPECT_TRUE(prefix("0.0.0.0/0").contains(address("198.51.100.7")));
    EXPECT_TRUE(prefix("::/0").contains(address("2001:db8::7")));
    EXPECT_FALSE(prefix("::/0").contains(address("198.51.100.7")));
    EXPECT_FALSE(prefix("::/80").contains(prefix("10.0.0.0/8")));
    EXPECT_FALSE(prefix("0.0.0.0/0").contains(address("::")));
    EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.1.0.0/16")));
    EXPECT_TRUE(prefix("10.0.0.0/8").contains(prefix("10.0.0.0/8")));
    EXPECT_FALSE(prefix("10.1.0.0/16").contains(prefix("10.0.0.0/8")));
    EXPECT_TRUE(prefix("10.1.0.0/16").overlaps(prefix("10.0.0.0/8")));
    EXPECT_FALSE(prefix("10.0.0.0/9").overlaps(prefix("10.128.0.0/9")));
    EXPECT_EQ(prefix("10.0.0.0/8").mapped_length(), 104u);
    EXPECT_EQ(prefix("2001:db8::/32").mapped_length(), 32u);
}

// Wider prefixes come before what they contain: the image builder's walk stands on it.
TEST(Prefix, SortsParentsFirst) {
    std::mt19937 random(7);
    for (int i = 0; i < 20000; ++i) {
        std::array<std::uint8_t, 16> bytes{};
        for (auto &byte : bytes)
            byte = static_cast<std::uint8_t>(random());
        const bool v4 = random() % 2;
        const Address a = v4 ? Address::from_v4(bytes.data()) : Address::from_v6(bytes.data());
        const auto one = static_cast<unsigned>(random() % (a.width() + 1));
        const auto two = static_cast<unsigned>(random() % (a.width() + 1));
        const Prefix wide = Prefix::of(a, std::min(one, two)), narrow = Prefix::of(a, std::max(one, two));
        EXPECT_TRUE(wide.contains(narrow));
        EXPECT_LE(wide, narrow);
        EXPECT_EQ(*Prefix::parse(wide.str()), wide);
    }
}

} // namespace
} // namespace lk
