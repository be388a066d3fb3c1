// SPDX-License-Identifier: MIT
// What outcomes are made of: nothing is fired here.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include <unistd.h>

#include <gtest/gtest.h>

#include "board/elsewhere.h"
#include "board/report.h"

namespace lk::board {
namespace {

using harness::Setting;

const char *const four =
    R"(^(dns\.udp_to_router\.v4\.user|pass\.lan_udp\.v4\.user|pass\.gateway_udp\.v4\.user)"
    R"(|pass\.gateway_udp\.v4\.vpn_user)\.tunnel_down$)";

// By the name of the case.
std::vector<Outcome> outcomes(const Cases &cases, const std::map<std::string, Outcome> &by_name) {
    std::vector<Outcome> all;
    for (std::size_t index = 0; index < cases.size(); index++)
        for (const auto &[part, outcome] : by_name)
            if (cases.name(index).find(part) != std::string::npos) {
                all.push_back(outcome);
                break;
            }
    return all;
}

constexpr bool yes = true;
const Outcome passed{.fired = yes, .seen = yes, .works = yes}, held{.fired = yes},
    silent{.fired = yes, .seen = yes};

Peer peer(const std::string &name) {
    return {.name = name, .title = name, .source = "here"};
}

std::vector<Outcome> all_pass(const Cases &cases) {
    return std::vector<Outcome>(cases.size(), passed);
}

TEST(Score, WhatIsSeenLeaksAndWhatHasNoAnswerIsBroken) {
    const Cases cases(four);
    ASSERT_EQ(cases.size(), 4u);
    auto seen =
        outcomes(cases, {{"dns", passed}, {"lan", silent}, {"gateway_udp.v4.user", held}, {"vpn", passed}});
    const Board board = judge(cases, {peer("none"), peer("other")}, {all_pass(cases), seen});
    EXPECT_EQ(board.leak_cases, 1u);
    EXPECT_EQ(board.pass_cases, 2u);
    EXPECT_EQ(board.mode_cases, 1u);
    const Score &score = board.scores[1];
    EXPECT_EQ(score.all_leaked.bad, 1u);
    EXPECT_EQ(score.all_leaked.of, 1u);
    EXPECT_EQ(score.all_broken.bad, 1u); // seen, and no answer came
    EXPECT_EQ(score.all_broken.of, 2u);
    EXPECT_EQ(score.by_mode.of, 1u); // a program to a gateway: others are not judged by it
    EXPECT_TRUE(board.failures().empty()) << "only leakbpf is failed by this";
}

TEST(Score, LeakbpfIsJudgedByItsMode) {
    const Cases cases(four);
    Peer plain = peer("leakbpf"), strict = peer("leakbpf-strict");
    plain.leakbpf = Setting::standard, strict.leakbpf = Setting::strict;
    auto open = outcomes(cases, {{"dns", held}, {"pass", passed}});
    auto closed =
        outcomes(cases, {{"dns", held}, {"gateway_udp.v4.user", held}, {"lan", passed}, {"vpn", passed}});
    EXPECT_TRUE(
        judge(cases, {peer("none"), plain, strict}, {all_pass(cases), open, closed}).failures().empty());
    EXPECT_EQ(judge(cases, {peer("none"), plain, strict}, {all_pass(cases), closed, open}).failures().size(),
              2u);
}

TEST(Score, WhatIsNotProvenDoesNotCount) {
    const Cases cases(four);
    auto none = outcomes(cases, {{"dns", held}, {"pass", passed}});
    const Board board = judge(cases, {peer("none"), peer("other")}, {none, all_pass(cases)});
    EXPECT_EQ(board.scores[1].all_leaked.of, 0u);
    EXPECT_EQ(board.failures().size(), 1u);
}

TEST(Score, WhatIsDoneOnPurposeIsNotJudged) {
    const Cases cases(four);
    Peer other = peer("other");
    other.choices = {{R"(^pass\.lan_)", "closed"}, {R"(^dns\.)", "open"}};
    const Board board = judge(cases, {peer("none"), other}, {all_pass(cases), outcomes(cases, {{"", held}})});
    EXPECT_EQ(board.scores[1].on_purpose, 2u);
    EXPECT_EQ(board.scores[1].all_leaked.of, 0u);
    EXPECT_EQ(board.scores[1].all_broken.of, 1u);
}

TEST(Score, WhatCouldNotBeTriedFailsLeakbpfAlone) {
    const Cases cases(four);
    Peer plain = peer("leakbpf");
    plain.leakbpf = Setting::standard;
    auto none_tried = std::vector<Outcome>(cases.size());
    EXPECT_EQ(judge(cases, {peer("none"), plain}, {all_pass(cases), none_tried}).failures().size(), 4u);
    const Board board = judge(cases, {peer("none"), peer("other")}, {all_pass(cases), none_tried});
    EXPECT_TRUE(board.failures().empty());
    EXPECT_EQ(board.scores[1].untried, 4u);
}

TEST(Score, WhatABusyMachineMayHaveLostIsDoubtful) {
    const Cases cases(four);
    Peer plain = peer("leakbpf");
    plain.leakbpf = Setting::standard;
    const auto all = all_pass(cases);
    auto leakbpf = outcomes(cases, {{"dns", held}, {"pass", passed}});
    EXPECT_TRUE(doubtful(cases, {peer("none"), plain}, {all, leakbpf}).empty());
    auto lost = outcomes(cases, {{"dns", held}, {"lan", held}, {"gateway", passed}});
    EXPECT_EQ(doubtful(cases, {peer("none"), plain}, {all, lost}).size(), 1u);
    // What a peer holds back is its doing; an answer that did not come need not be.
    EXPECT_TRUE(doubtful(cases, {peer("none"), peer("other")}, {all, lost}).empty());
    auto unanswered = outcomes(cases, {{"dns", held}, {"lan", silent}, {"gateway", passed}});
    EXPECT_EQ(doubtful(cases, {peer("none"), peer("other")}, {all, unanswered}).size(), 1u);
    EXPECT_EQ(doubtful(cases, {peer("none")}, {leakbpf}).size(), 1u); // the query was not seen
}

std::string new_file() {
    std::string path = "/tmp/lk-board-XXXXXX";
    const int fd = mkstemp(path.data());
    EXPECT_GE(fd, 0);
    close(fd);
    return path;
}

TEST(Report, RunsElsewhereHaveARowForEachSetting) {
    const Cases cases(four);
    Peer plain = peer("leakbpf");
    plain.leakbpf = Setting::standard;
    const Board board = judge(cases, {peer("none"), plain},
                              {all_pass(cases), outcomes(cases, {{"dns", held}, {"pass", passed}})});
    const std::string path = new_file();
    std::ofstream(path) << json(board, {.kernel = "6.1.0-7-amd64",
                                        .cpu = "some",
                                        .date = "2026-01-02",
                                        .version = "9.9",
                                        .command = "never shown"});
    const std::string text = elsewhere({path}, "scripts/bench again");
    std::ofstream(path) << "{}";
    EXPECT_THROW(elsewhere({path}, ""), std::runtime_error);
    std::remove(path.c_str());
    EXPECT_NE(text.find("\n    scripts/bench again\n"), std::string::npos) << text;
    EXPECT_NE(text.find("| Linux 6.1.0-7-amd64 | leakbpf | 0 of 1 | 0 of 2 | 0 of 1 wrong | 0 | "
                        "leakbpf 9.9, 2026-01-02 |\n"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("none"), std::string::npos);
}

TEST(Report, ASectionIsReplacedAndOthersStay) {
    const std::string path = new_file();
    write_section(path, "one", "first\n");
    write_section(path, "two", "second\n");
    write_section(path, "one", "third\n");
    std::ifstream file(path);
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    std::remove(path.c_str());
    EXPECT_EQ(page.find("first"), std::string::npos);
    EXPECT_LT(page.find("third"), page.find("second"));
    EXPECT_NE(page.find("second"), std::string::npos);
}

} // namespace
} // namespace lk::board
