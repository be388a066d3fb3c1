// SPDX-License-Identifier: MIT
#include "base/text.h"

#include <gtest/gtest.h>

namespace lk {
namespace {

TEST(Text, QuoteKeepsWhatIsReadable) {
    EXPECT_EQ(quote("eth0"), "\"eth0\"");
    EXPECT_EQ(quote(""), "\"\"");
    EXPECT_EQ(quote("büro"), "\"büro\"");
}

TEST(Text, QuoteDisarmsControlsAndBadBytes) {
    EXPECT_EQ(quote("a\x1b[2J"), "\"a\\x1b[2J\"");
    EXPECT_EQ(quote("a\nb\x7f"), "\"a\\x0ab\\x7f\"");
    EXPECT_EQ(quote("\xc2\x9b"), "\"\\xc2\\x9b\"");
    EXPECT_EQ(quote("\xff\xc3"), "\"\\xff\\xc3\"");
    EXPECT_EQ(quote(std::string_view("a\0b", 3)), "\"a\\x00b\"");
}

TEST(Text, QuoteCutsLongText) {
    const std::string shown = quote(std::string(1000, 'x'));
    EXPECT_EQ(shown, "\"" + std::string(120, 'x') + "...\"");
}

TEST(Text, DecimalIsStrict) {
    EXPECT_EQ(parse_decimal("0"), 0u);
    EXPECT_EQ(parse_decimal("65535"), 65535u);
    EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
    for (const char *bad : {"", "00", "01", "+1", "-1", " 1", "1 ", "1x", "0x1", "18446744073709551616"})
        EXPECT_FALSE(parse_decimal(bad)) << bad;
}

TEST(Text, NumberTakesHexadecimal) {
    EXPECT_EQ(parse_number("0xCA6c"), 0xca6cu);
    EXPECT_EQ(parse_number("0X0"), 0u);
    EXPECT_EQ(parse_number("10"), 10u);
    for (const char *bad : {"", "0x", "0xg", "x1", "0x-1", "0x11112222333344445", "ca6c"})
        EXPECT_FALSE(parse_number(bad)) << bad;
}

TEST(Text, Utf8IsWellFormed) {
    for (const char *good : {"", "eth0", "ü", "€", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"})
        EXPECT_TRUE(is_utf8(good)) << good;
    for (const char *bad : {"\x80", "\xc1\xbf", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                            "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "ok\xe2\x82"})
        EXPECT_FALSE(is_utf8(bad)) << quote(bad);
}

TEST(Text, Durations) {
    using std::chrono::seconds;
    EXPECT_EQ(parse_duration("90"), seconds(90));
    EXPECT_EQ(parse_duration("90s"), seconds(90));
    EXPECT_EQ(parse_duration("5m"), seconds(300));
    for (const char *text : {"", "s", "m", "5h", "5 m", "-5", "+5", "5.5", "05", "5ms", "0x5",
                             "99999999999999999999", "525601m", "31536001"})
        EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Text, GroupsThousands) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1000), "1,000");
    EXPECT_EQ(grouped(100001), "100,001");
    EXPECT_EQ(grouped(12345678), "12,345,678");
}

} // namespace
} // namespace lk
