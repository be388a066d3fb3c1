// SPDX-License-Identifier: MIT
// The kernel answers every case as the page does: the decision alone, and lk_egress by code and counter.
#include <gtest/gtest.h>
#include <linux/pkt_cls.h>

#include <algorithm>

#include "cases/cases.h"
#include "cases/judges/native.h"
#include "fuzz/model.h"
#include "prog_run/kernel_judge.h"

namespace lk {
namespace {

// What the other two judges say, by replaying the case.
template <typename Judge>
Answer replay(const Case &c) {
    Judge judge(c.world);
    for (const Case::Step &step : c.earlier)
        judge.judge(step.sender, step.frame, 1);
    return judge.judge(c.packet.sender, c.packet.frame, 1 + c.gap_ns);
}

std::string told(const Case &c) {
    return "the model says " + to_string(replay<model::Model>(c)) + ", native " +
           to_string(replay<NativeJudge>(c)) + "\n" + describe(c.world) + "\n" + hexdump(c.packet.frame);
}

class KernelCases : public testing::Test {
  protected:
    static void SetUpTestSuite() { judge_ = new KernelJudge; }
    static void TearDownTestSuite() {
        delete judge_;
        judge_ = nullptr;
    }
    static KernelJudge *judge_;
};
KernelJudge *KernelCases::judge_ = nullptr;

TEST_F(KernelCases, DecidesEveryCase) {
    int asked = 0;
    for (const Case &c : all_cases()) {
        judge_->use(c.world);
        bool carried = true;
        for (const Case::Step &step : c.earlier)
            carried = judge_->judge(step.sender, step.frame).has_value() && carried;
        if (c.gap_ns) judge_->age_fragments(c.gap_ns);
        const auto answer = judge_->judge(c.packet.sender, c.packet.frame);
        if (!answer || !carried) continue; // too short or too long for BPF_PROG_TEST_RUN
        ++asked;
        EXPECT_EQ(*answer, c.expected)
            << c.name << " (row " << c.row << "): expected " << to_string(c.expected) << ", the kernel says "
            << to_string(*answer) << "\n"
            << told(c);
    }
    EXPECT_GT(asked, static_cast<int>(all_cases().size()) * 9 / 10);
}

// BPF_PROG_TEST_RUN's socket has no mark and nothing is forwarded in it: cases of other senders are left to
// the network namespaces' tests.
TEST_F(KernelCases, EgressActsOnEveryLocalCase) {
    int asked = 0, redirected = 0, rewritten = 0;
    for (const Case &c : all_cases()) {
        const auto local_sender = [](const Sender &s) { return !s.vpn_daemon && !s.forwarded; };
        bool carried = local_sender(c.packet.sender);
        for (const Case::Step &step : c.earlier)
            carried = carried && local_sender(step.sender);
        if (!carried) continue;
        judge_->use(c.world);
        for (const Case::Step &step : c.earlier)
            carried = judge_->egress(step.sender, step.frame).has_value() && carried;
        if (c.gap_ns) judge_->age_fragments(c.gap_ns);
        const auto acted = judge_->egress(c.packet.sender, c.packet.frame);
        if (!acted || !carried) continue;
        ++asked;
        EXPECT_EQ(acted->reason.value_or(-1), c.expected.reason)
            << c.name << ": expected " << to_string(c.expected) << ", the counter that moved is "
            << (acted->reason ? reason_name(static_cast<lk_reason>(*acted->reason)) : "none") << "\n"
            << told(c);
        const bool answered = c.expected.verdict == LK_REFUSE && c.world.policy.action == Action::refuse;
        // A frame that stands for an L3 device's is an Ethernet frame to the helpers that change its family.
        const bool sent = acted->code == TC_ACT_REDIRECT || c.world.l3;
        if (c.expected.verdict == LK_REWRITE && sent)
            ++rewritten;
        else if (c.expected.verdict == LK_PASS)
            EXPECT_EQ(acted->code, TC_ACT_UNSPEC) << c.name << "\n" << told(c);
        else if (answered && acted->code == TC_ACT_REDIRECT)
            ++redirected; // silence is right where the sender cannot be told, or the limit is reached
        else
            EXPECT_EQ(acted->code, TC_ACT_SHOT) << c.name << "\n" << told(c);
    }
    EXPECT_GT(asked, static_cast<int>(all_cases().size()) * 7 / 10);
    EXPECT_GT(rewritten, 0) << "no query went to the resolver";
    EXPECT_GT(redirected, 0) << "no refused packet was answered";
}

TEST_F(KernelCases, NoRecordInForceIsNoPolicy) {
    const auto found = std::find_if(all_cases().begin(), all_cases().end(), [](const Case &c) {
        return c.expected.reason == LK_GATEWAY && c.earlier.empty();
    });
    ASSERT_NE(found, all_cases().end());
    const Case &c = *found;
    const Answer none{LK_DROP, LK_NO_POLICY};
    const auto answer = [&] { return judge_->judge(c.packet.sender, c.packet.frame).value(); };
    const auto denied = [&](const char *what) {
        EXPECT_EQ(answer(), none) << what;
        const auto acted = judge_->egress(c.packet.sender, c.packet.frame).value();
        EXPECT_EQ(acted.code, TC_ACT_SHOT) << what;
        EXPECT_EQ(acted.reason.value_or(-1), LK_NO_POLICY) << what;
    };
    judge_->use(c.world);
    ASSERT_EQ(answer(), c.expected);
    judge_->set_epoch(0);
    denied("epoch 0");
    judge_->set_epoch(judge_->epoch() + 2);
    denied("a record of an older epoch in the same half");
    judge_->set_epoch(judge_->epoch() + 1);
    denied("the other half");
    judge_->set_epoch(judge_->epoch());
    EXPECT_EQ(answer(), c.expected);
    judge_->change_record([](lk_dev &d) { d.ifindex = 2; });
    denied("another device's record");
    judge_->change_record([](lk_dev &d) { d.epoch -= 2; });
    denied("a record of another epoch");
    judge_->change_record([](lk_dev &d) { d.policy.flags &= ~static_cast<__u32>(LK_POLICY_ACTIVE); });
    denied("a policy that is not active");
    judge_->change_record([](lk_dev &d) { d = {}; });
    denied("an empty record");
}

// Nothing is a gateway or the LAN by a set that no row is of, whatever the record says it has.
TEST_F(KernelCases, MissingRowsDeny) {
    for (const Case &c : all_cases()) {
        if (c.expected.reason != LK_GATEWAY && c.expected.reason != LK_LAN) continue;
        if (!c.earlier.empty()) continue;
        judge_->use(c.world);
        judge_->change_record([](lk_dev &d) {
            d.policy.gw_set += 1000000;
            d.net_set += 1000000;
        });
        const auto answer = judge_->judge(c.packet.sender, c.packet.frame);
        if (!answer) continue;
        EXPECT_NE(answer->reason, c.expected.reason) << c.name << "\n" << told(c);
    }
}

} // namespace
} // namespace lk
