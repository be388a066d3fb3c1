// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>

#include "policy/policy.h"

namespace lk {
namespace {

using testing::HasSubstr;

TEST(VpnUser, TakesANumberWithoutPasswdEntry) {
    auto user = VpnUser::parse("105");
    ASSERT_TRUE(user);
    EXPECT_EQ(user->uid, 105u);
    EXPECT_EQ(user->name, "105");
    ASSERT_EQ(getpwuid(4294967000u), nullptr);
    EXPECT_EQ(VpnUser::parse("4294967000")->uid, 4294967000u);
    EXPECT_EQ(VpnUser::parse("4294967294")->uid, 4294967294u);
}

TEST(VpnUser, TakesAName) {
    const passwd *daemon = getpwnam("daemon");
    ASSERT_NE(daemon, nullptr);
    const uid_t uid = daemon->pw_uid;
    auto user = VpnUser::parse("daemon");
    ASSERT_TRUE(user);
    EXPECT_EQ(user->uid, uid);
    EXPECT_EQ(user->name, "daemon");
}

TEST(VpnUser, RefusesWithTheTextAndTheReason) {
    const std::tuple<const char *, const char *> rows[] = {
        {"", "expected a user"},
        {"0", "the kernel's own packets carry it"},
        {"root", "the kernel's own packets carry it"},
        {"65534", "every forwarded packet shows it"},
        {"nobody", "every forwarded packet shows it"},
        {"no-such-user-here", "there is no user"},
        {"-1", "there is no user"},
        {"+105", "there is no user"},
        {"0x69", "there is no user"},
        {"105 ", "there is no user"},
        {"0105", "expected 1 to 4294967294"},
        {"4294967295", "expected 1 to 4294967294"},
        {"4294967296", "expected 1 to 4294967294"},
        {"99999999999999999999", "expected 1 to 4294967294"},
    };
    for (const auto &[text, says] : rows) {
        auto user = VpnUser::parse(text);
        ASSERT_FALSE(user) << text;
        EXPECT_EQ(user.error().exit, Exit::bad_input);
        EXPECT_THAT(user.error().message, HasSubstr(std::string("\"") + text + "\""));
        EXPECT_THAT(user.error().message, HasSubstr(says)) << text;
    }
}

TEST(Fwmark, TakesEveryForm) {
    const std::tuple<const char *, std::uint32_t, std::uint32_t, const char *> rows[] = {
        {"51820", 51820, 0xffffffff, "0xca6c"},
        {"0xca6c", 0xca6c, 0xffffffff, "0xca6c"},
        {"0xca6c/0xffff", 0xca6c, 0xffff, "0xca6c/0xffff"},
        {"1/1", 1, 1, "0x1/0x1"},
        {"0xffffffff/0xffffffff", 0xffffffff, 0xffffffff, "0xffffffff"},
    };
    for (const auto &[text, value, mask, shown] : rows) {
        auto mark = Fwmark::parse(text);
        ASSERT_TRUE(mark) << text;
        EXPECT_EQ(mark->value, value);
        EXPECT_EQ(mark->mask, mask);
        EXPECT_EQ(mark->str(), shown);
        EXPECT_EQ(*Fwmark::parse(mark->str()), *mark);
    }
}

TEST(Fwmark, RefusesWithTheTextAndWhatWasExpected) {
    const std::tuple<const char *, const char *> rows[] = {
        {"", "expected VALUE[/MASK]"},      {"0", "every packet without a mark"},
        {"0x0/0xff", "every packet"},       {"0x1/0", "outside its mask"},
        {"0x100/0xff", "outside its mask"}, {"4294967296", "expected VALUE[/MASK]"},
        {"1/4294967296", "expected VALUE"}, {"-1", "expected VALUE[/MASK]"},
        {"1/", "expected VALUE[/MASK]"},    {"ca6c", "expected VALUE[/MASK]"},
        {"1/1/1", "expected VALUE[/MASK]"}, {"1 ", "expected VALUE[/MASK]"},
    };
    for (const auto &[text, says] : rows) {
        auto mark = Fwmark::parse(text);
        ASSERT_FALSE(mark) << text;
        EXPECT_EQ(mark.error().exit, Exit::bad_input);
        EXPECT_THAT(mark.error().message, HasSubstr(std::string("\"") + text + "\""));
        EXPECT_THAT(mark.error().message, HasSubstr(says)) << text;
    }
}

} // namespace
} // namespace lk
