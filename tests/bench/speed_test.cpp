// SPDX-License-Identifier: MIT
// The arithmetic of bench_speed, its record and its rules: nothing is sent here.
#include <algorithm>
#include <stdexcept>

#include <gtest/gtest.h>

#include "bench/cgroup_report.h"
#include "bench/speed_flood.h"
#include "bench/speed_report.h"
#include "bench/speed_rules.h"

namespace lk::bench {
namespace {

SpeedReport report_of(double value, bool at_least = false, double error = 0) {
    SpeedReport report;
    report.goals.push_back({"gateway.cpu", "a figure", {value, error}, 1, at_least});
    return report;
}

std::size_t count_of(const std::string &text, const std::string &part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

} // namespace

TEST(SpeedTurns, OneDisturbedRoundIsNothing) {
    const Estimate estimate = middle({10, 11, 12, 11, 900});
    EXPECT_DOUBLE_EQ(estimate.value, 11);
    EXPECT_LT(estimate.error, 1);
    EXPECT_DOUBLE_EQ(middle({1, 2}).value, 1.5);
    EXPECT_FALSE(middle({}).measured());
}

TEST(SpeedTurns, WhatSlowsBothCancels) {
    const Series none{100, 200, 400}, own{110, 220, 440};
    EXPECT_DOUBLE_EQ(ratio(own, none).value, 1.1);
    EXPECT_NEAR(ratio(own, none).error, 0, 1e-12);
    EXPECT_DOUBLE_EQ(difference(own, none).value, 20);
}

TEST(SpeedTurns, AddedIsMeasuredAboveTheBase) {
    const Series none{100, 100, 100, 100}, empty{110, 111, 110, 111}, own{130, 131, 130, 131};
    EXPECT_NEAR(added_ratio(own, empty, none).value, 30.5 / 10.5, 1e-9);
    EXPECT_GT(added_ratio(own, empty, none).error, 0);
    EXPECT_FALSE(added_ratio(own, none, none).measured()); // nothing to compare with
}

TEST(SpeedTurns, ErrorsOfADifferenceAddUp) {
    const Estimate left = minus({40, 3}, {10, 4});
    EXPECT_DOUBLE_EQ(left.value, 30);
    EXPECT_DOUBLE_EQ(left.error, 5);
    EXPECT_EQ(rounded(left), "30 ±5");
    EXPECT_EQ(rounded(left, true), "+30 ±5");
}

TEST(SpeedTurns, EveryoneTakesATurnInEachRound) {
    std::vector<std::vector<std::size_t>> seen(3);
    take_turns(5, 2, [&](std::size_t subject, unsigned round) { seen.at(round).push_back(subject); });
    EXPECT_NE(seen[1], seen[2]);
    for (auto &order : seen) {
        std::ranges::sort(order);
        EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
    }
}

TEST(SpeedGate, FailsPastFifteenPercent) {
    const Record record{{"gateway.cpu", 1.0}};
    EXPECT_TRUE(worse_than(record, report_of(1.14)).empty());
    EXPECT_TRUE(worse_than(record, report_of(0.5)).empty());
    EXPECT_EQ(worse_than(record, report_of(1.16)).size(), 1U);
    EXPECT_TRUE(worse_than(record, report_of(0.88, true)).empty());
    EXPECT_TRUE(worse_than(record, report_of(2, true)).empty());
    EXPECT_EQ(worse_than(record, report_of(0.86, true)).size(), 1U);
    EXPECT_TRUE(worse_than(record, report_of(1.16, false, 0.1)).empty()); // it may be noise
    EXPECT_EQ(worse_than(record, report_of(1.36, false, 0.1)).size(), 1U);
    EXPECT_TRUE(worse_than(record, report_of(0.86, true, 0.1)).empty());
    const double nothing = unmeasured.value;
    EXPECT_EQ(worse_than(record, report_of(nothing)).size(), 1U);
    EXPECT_EQ(worse_than(record, report_of(nothing, true)).size(), 1U);
    EXPECT_EQ(report_of(nothing).goals.front().verdict(), Verdict::short_of);
    EXPECT_EQ(report_of(nothing, true).goals.front().verdict(), Verdict::short_of);
    EXPECT_EQ(worse_than({}, report_of(1)).size(), 1U); // what is not recorded is not held
}

TEST(SpeedGate, ReadsWhatItRecorded) {
    const std::string text = record_text({{"lan.cpu", 1.25}}, report_of(1.0625));
    EXPECT_EQ(read_record(text), (Record{{"gateway.cpu", 1.0625}, {"lan.cpu", 1.25}}));
    EXPECT_THROW(read_record("gateway.cpu"), std::runtime_error);
    EXPECT_THROW(read_record("gateway.cpu 1 2"), std::runtime_error);
    EXPECT_THROW(read_record("gateway.cpu -1"), std::runtime_error);
}

TEST(SpeedRules, HaveTheSizeThatWasAskedFor) {
    const Policy policy = policy_of(100'000, 10'000);
    for (auto list : {policy.gateways, policy.lans}) {
        std::ranges::sort(list);
        EXPECT_EQ(std::ranges::unique(list).begin(), list.end());
    }
    EXPECT_EQ(policy.gateways.size(), 100'000U);
    EXPECT_EQ(policy.lans.size(), 10'000U);
    EXPECT_EQ(policy.gateways[50'000 - 1], "198.51.100.7");
    EXPECT_EQ(std::ranges::count(policy.lans, "10.42.0.0/24"), 0); // the resolver's
    EXPECT_NE(policy_of(2, 1, 1).gateways, policy_of(2, 1).gateways);
    EXPECT_EQ(policy_of(1, 1).gateways, std::vector<std::string>{"198.51.100.7"});
}

TEST(SpeedRules, NameEachGatewayAndNetwork) {
    const Policy policy = policy_of(7, 5);
    EXPECT_EQ(count_of(ipset_lists(policy), "add gateways-new "), 7U);
    EXPECT_EQ(count_of(ipset_lists(policy), "add lan-new "), 5U);
    for (const auto &list : {policy.gateways, policy.lans})
        for (const std::string &each : list) {
            EXPECT_NE(nft_sets(policy).find(each), std::string::npos) << each;
            EXPECT_NE(bitmask_chain(policy).find("-d " + each + " -o eth0 -j ACCEPT"), std::string::npos);
            // The uplink's own network needs no word.
            EXPECT_EQ(leakbpf_config(policy).find('"' + each + '"') != std::string::npos,
                      each != "10.9.0.0/24");
        }
}

TEST(SpeedReport, TellsGoalsThatWereNotReached) {
    SpeedReport report = report_of(1.2);
    report.sheets.push_back({.part = "packets", .title = "Packets"});
    report.sheets[0].put("leakbpf", "CPU", {1.2, 0.01});
    EXPECT_NE(speed_table(report).find("FALLS SHORT"), std::string::npos);
    EXPECT_EQ(speed_table(report_of(1)).find("FALLS SHORT"), std::string::npos);
    const board::Occasion occasion{"k", "c", "d", "v", "command"};
    const std::string page = speed_markdown(report, occasion);
    EXPECT_NE(page.find("sudo scripts/bench speed --only packets"), std::string::npos);
    EXPECT_NE(page.find("| leakbpf | 1.200 ±0.010 |"), std::string::npos);
    EXPECT_NE(speed_json(report, occasion).find("\"reached\": false"), std::string::npos);
}

TEST(SpeedReport, CannotTellWhatIsShortByLessThanItsError) {
    const auto verdict = [](double value, bool at_least, double error) {
        return report_of(value, at_least, error).goals.front().verdict();
    };
    EXPECT_EQ(verdict(1.02, false, 0.03), Verdict::within_error);
    EXPECT_EQ(verdict(1.04, false, 0.03), Verdict::short_of);
    EXPECT_EQ(verdict(0.98, false, 0.03), Verdict::reached);
    EXPECT_EQ(verdict(0.98, true, 0.03), Verdict::within_error);
    EXPECT_EQ(verdict(0.96, true, 0.03), Verdict::short_of);
    EXPECT_EQ(verdict(1.02, false, 0), Verdict::short_of);

    const SpeedReport report = report_of(1.02, false, 0.03);
    const board::Occasion occasion{"k", "c", "d", "v", "command"};
    for (const std::string &text : {speed_table(report), speed_markdown(report, occasion)}) {
        EXPECT_NE(text.find("within the error"), std::string::npos) << text;
        EXPECT_EQ(text.find("falls short"), std::string::npos) << text;
        EXPECT_EQ(text.find("FALLS SHORT"), std::string::npos) << text;
        EXPECT_NE(text.find("Of 1 goals 0 are reached and 0 are not; 1 cannot be told"), std::string::npos);
    }
    EXPECT_NE(speed_json(report, occasion).find("\"verdict\": \"within the error\""), std::string::npos);
    EXPECT_TRUE(short_of(report.goals).empty());
    EXPECT_EQ(short_of(report_of(1.04, false, 0.03).goals).size(), 1U);
}

TEST(SpeedFlood, MakesUpForALittle) {
    Pace pace(100'000, 0);
    EXPECT_EQ(pace.due(0), 0U);
    EXPECT_EQ(pace.due(100'000), 10U);
    EXPECT_EQ(pace.due(115'000), 1U);
    EXPECT_EQ(pace.due(120'000), 1U); // halves are not lost
    unsigned long sent = 0;
    for (unsigned due = Pace::most_at_once; due == Pace::most_at_once;)
        sent += due = pace.due(10'120'000); // 10 ms late
    EXPECT_EQ(sent, 1'000U);
    sent = 0;
    for (unsigned due = Pace::most_at_once; due == Pace::most_at_once;)
        sent += due = pace.due(1'000'000'000);
    EXPECT_EQ(sent, static_cast<unsigned long>(Pace::most_behind));
}

TEST(CgroupReport, ComparesTheLastWithTheFirst) {
    const auto verdicts = [](double packet_ns, double attach_ms) {
        const SpeedReport report =
            cgroup_report({{.cgroups = 1, .first_ms = {1200}, .packet_ns = {100}, .connect_ns = {200}},
                           {.cgroups = 1000,
                            .attach_ms = {attach_ms, attach_ms},
                            .packet_ns = {packet_ns},
                            .connect_ns = {210}}});
        return short_of(report.goals).size();
    };
    EXPECT_EQ(verdicts(119, 0.9), 0U);
    EXPECT_EQ(verdicts(121, 0.9), 1U);
    EXPECT_EQ(verdicts(121, 1.1), 2U);
    // What was not measured is not reached.
    EXPECT_EQ(short_of(cgroup_report({{.cgroups = 1}, {.cgroups = 20}}).goals).size(), 3U);
    EXPECT_EQ(cgroup_report({{.cgroups = 1}}).goals.size(), 1U); // nothing to compare with
}

} // namespace lk::bench
