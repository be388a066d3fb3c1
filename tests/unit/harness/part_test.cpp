// SPDX-License-Identifier: MIT
#include <map>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>

#include "harness/part.h"

namespace lk::harness {
namespace {

const std::vector<TestName> &tests() {
    static const auto all = [] {
        std::vector<TestName> names;
        for (const char *vector : {"udp", "tcp", "ping"})
            for (const char *family : {"v4", "v6"})
                for (const char *sender : {"root", "user"})
                    for (const char *tunnel : {"up", "down"})
                        names.push_back(
                            {"sockets", std::string(vector) + "." + family + "." + sender + "." + tunnel});
        for (const char *test : {"One", "Two", "Three", "Four", "Five"})
            names.push_back({"Cli", test});
        names.push_back({"Hook/State", "Commits/tcx"});
        names.push_back({"Hook/State", "Commits/clsact"});
        return names;
    }();
    return all;
}

std::set<std::string> part(const std::string &which) {
    std::set<std::string> mine;
    for (const TestName &test : tests())
        mine.insert(test.full());
    for (const std::string &other : of_other_parts(tests(), which))
        mine.erase(other);
    return mine;
}

TEST(Part, EachTestIsOfOne) {
    std::multiset<std::string> all;
    for (const char *which : {"0/3", "1/3", "2/3"})
        for (const std::string &name : part(which))
            all.insert(name);
    EXPECT_EQ(all.size(), tests().size());
    EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), tests().size());
    EXPECT_EQ(part("0/1").size(), tests().size());
}

// Eight of each vector, and every part has some; two hooks, and both parts have one.
TEST(Part, HasSomeOfEachKind) {
    for (const char *which : {"0/4", "1/4", "2/4", "3/4"}) {
        std::map<std::string, int> kinds;
        for (const std::string &name : part(which))
            ++kinds[name.substr(0, name.find_first_of("./", name.find('.') + 1))];
        for (const char *vector : {"sockets.udp", "sockets.tcp", "sockets.ping"})
            EXPECT_EQ(kinds[vector], 2) << which;
    }
    for (const char *which : {"0/2", "1/2"})
        EXPECT_EQ(
            part(which).count("Hook/State.Commits/tcx") + part(which).count("Hook/State.Commits/clsact"), 1u);
}

TEST(Part, WhatIsNamedIsOfAll) {
    for (const char *which : {"0/4:Commits", "1/4:Commits", "2/4:Commits", "3/4:Commits"})
        EXPECT_THAT(part(which),
                    testing::IsSupersetOf({"Hook/State.Commits/tcx", "Hook/State.Commits/clsact"}));
}

TEST(Part, IsNeverEmpty) {
    const std::vector<TestName> few{{"Cli", "One"}, {"Cli", "Two"}};
    std::set<std::string> run;
    for (const char *which : {"0/8", "1/8", "2/8", "3/8", "4/8", "5/8", "6/8", "7/8"}) {
        const auto others = of_other_parts(few, which);
        ASSERT_EQ(others.size(), 1u) << which;
        run.insert(others.front());
    }
    EXPECT_EQ(run.size(), 2u);
    EXPECT_TRUE(of_other_parts({}, "0/8").empty());
    EXPECT_THAT(of_other_parts({{"Cli", "One"}, {"Hook", "Two"}}, "1/8:Hook"),
                testing::ElementsAre("Cli.One"));
}

TEST(Part, WhatAFilterLeavesOut) {
    EXPECT_TRUE(is_left_out("Cli.One", "-Cli.One"));
    EXPECT_TRUE(is_left_out("Hook/State.Commits/tcx", "*-Cli.One:*State.Commits/*"));
    EXPECT_FALSE(is_left_out("Cli.OneMore", "-Cli.One:Cli.Two"));
    EXPECT_FALSE(is_left_out("Cli.One", "Cli.One"));
    EXPECT_FALSE(is_left_out("Cli.One", "*"));
}

TEST(Part, NoPart) {
    for (const char *which : {"", "1", "4/4", "x/2", "1/0"})
        EXPECT_THROW(of_other_parts(tests(), which), std::runtime_error) << which;
}

} // namespace
} // namespace lk::harness
