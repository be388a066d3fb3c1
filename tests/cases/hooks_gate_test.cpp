// SPDX-License-Identifier: MIT
// The gate of the socket hooks: every hook of the page's table, every exception that it lists and every
// reason has a case in tests/netns/hooks_cases.h.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "leakbpf/abi.h"
#include "netns/hooks_cases.h"

namespace lk {
namespace {

std::string trimmed(const std::string &text) {
    const auto from = text.find_first_not_of(' ');
    return from == text.npos ? "" : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

std::vector<std::string> split(const std::string &text, char at) {
    std::vector<std::string> out;
    std::stringstream in(text);
    for (std::string part; std::getline(in, part, at);)
        out.push_back(trimmed(part));
    return out;
}

// What the table under "## Socket hooks" says of each hook.
std::map<std::string, std::string> page_hooks() {
    std::ifstream in(LK_SOURCE_DIR "/docs/policy.md");
    std::map<std::string, std::string> out;
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
        if (line.rfind("## ", 0) == 0) inside = line == "## Socket hooks";
        if (!inside || line.rfind("| ", 0) != 0) continue;
        const auto cells = split(line.substr(1), '|');
        if (cells.size() < 2 || cells[0] == "hook") continue;
        for (const std::string &hook : split(cells[0], ','))
            out[hook] = cells[1];
    }
    return out;
}

// "Left alone: A, B (with, commas), C." as A, B, C.
std::vector<std::string> exceptions(const std::string &text) {
    static const std::regex sentence("Left alone: ([^.]|\\.[0-9])*"), aside(" \\([^)]*\\)");
    const std::string bare = std::regex_replace(text, aside, "");
    std::smatch found;
    if (!std::regex_search(bare, found, sentence)) return {};
    return split(found.str().substr(std::string("Left alone: ").size()), ',');
}

std::vector<harness::HookCase> all_hook_cases() {
    std::vector<harness::HookCase> out;
    for (const auto &c : harness::connect_cases())
        out.push_back(c);
    for (const auto &c : harness::guard_cases())
        out.push_back(c);
    for (const auto &c : harness::mark_cases())
        out.push_back(c);
    return out;
}

// (hook, row) and (hook, reason) that have a case.
std::set<std::pair<std::string, std::string>> covered(std::string harness::HookCase::*field) {
    std::set<std::pair<std::string, std::string>> out;
    for (const auto &c : all_hook_cases())
        for (const std::string &hook : c.hooks)
            out.insert({hook, c.*field});
    return out;
}

TEST(HooksGate, ThePageHasTheHooksThatTheProgramHas) {
    std::set<std::string> hooks;
    for (const auto &[hook, text] : page_hooks())
        hooks.insert(hook);
    EXPECT_EQ(hooks,
              (std::set<std::string>{"sock_create", "connect4", "connect6", "getpeername4", "getpeername6",
                                     "recvmsg4", "recvmsg6", "sendmsg4", "sendmsg6", "setsockopt"}));
}

TEST(HooksGate, EveryHookHasACaseAndOneOfAnotherNamespace) {
    const auto rows = covered(&harness::HookCase::row);
    for (const auto &[hook, text] : page_hooks()) {
        std::size_t here = 0;
        for (const auto &[of, row] : rows)
            here += of == hook && row != "another network namespace";
        EXPECT_GE(here, 1u) << hook << " has no case";
        EXPECT_TRUE(rows.count({hook, "another network namespace"}))
            << hook << " has no case of another namespace";
    }
}

TEST(HooksGate, EveryExceptionOfTheConnectHooksHasACase) {
    const auto rows = covered(&harness::HookCase::row);
    for (const auto &[hook, text] : page_hooks()) {
        if (hook.rfind("connect", 0) != 0) continue;
        const auto left_alone = exceptions(text);
        EXPECT_GE(left_alone.size(), 7u) << "the exceptions of " << hook << " could not be read";
        for (const std::string &exception : left_alone)
            EXPECT_TRUE(rows.count({hook, exception})) << hook << " has no case of «" << exception << "»";
        EXPECT_TRUE(rows.count({hook, "goes to the resolver"})) << hook;
    }
}

TEST(HooksGate, EveryReasonOfAHookHasACase) {
    const auto reasons = covered(&harness::HookCase::reason);
    static const std::regex word("reason `([a-z-]+)`");
    std::set<std::string> named;
    for (const auto &[hook, text] : page_hooks())
        for (std::sregex_iterator it(text.begin(), text.end(), word), end; it != end; ++it) {
            named.insert((*it)[1]);
            EXPECT_TRUE(reasons.count({hook, (*it)[1]})) << hook << " has no case of " << (*it)[1];
        }
    EXPECT_EQ(named, (std::set<std::string>{"bypass", "dns"}));
    for (const auto &[hook, reason] : reasons)
        if (!reason.empty()) {
            EXPECT_TRUE(named.count(reason))
                << hook << " gives " << reason << ", which the page does not name";
        }
}

TEST(HooksGate, WhatIsLeftAloneHasAnExampleOfWhatIsNot) {
    const auto reasons = covered(&harness::HookCase::reason);
    for (const char *hook : {"connect4", "connect6", "getpeername4", "getpeername6", "recvmsg4", "recvmsg6",
                             "sendmsg4", "sendmsg6", "setsockopt"})
        EXPECT_TRUE(reasons.count({hook, ""})) << hook;
}

TEST(HooksGate, NamesAreUniqueAndThereAreEnough) {
    std::set<std::pair<std::string, std::string>> names;
    for (const auto &c : all_hook_cases())
        EXPECT_TRUE(names.insert({c.hooks.front(), c.name}).second) << c.name << " is there twice";
    EXPECT_GE(names.size(), 150u);
}

} // namespace
} // namespace lk
