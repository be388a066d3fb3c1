// SPDX-License-Identifier: MIT
#include "control/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../net/topologies.h"
#include "base/boot_clock.h"
#include "control/detach.h"

namespace lk {
namespace {

using test::Dev;
using testing::ElementsAre;
using testing::IsEmpty;

Document guarding(const std::vector<std::string> &names) {
    return Document{{Scope{names, true, {}, {}}}};
}

Document on_trial_over(const std::vector<Scope> &before) {
    Document document = guarding({"eth0", "eth1"});
    document.trial = Trial{7, before, {2}};
    return document;
}

UplinkHook hook(int ifindex) {
    return {ifindex, Attachment::tcx, 1, true, {}, {}};
}

UplinkHook dead(int ifindex) {
    return {ifindex, Attachment::tcx, 1, false, {}, {}};
}

const Topology two =
    test::topology({Dev(2, "eth0").addr("10.1.0.5", 24).route(), Dev(3, "eth1").addr("10.2.0.5", 24)});

TEST(Trial, BeginsOverWhatIsInForce) {
    const Document current = guarding({"eth0"});
    Document planned = guarding({"eth0", "eth1"});
    put_on_trial(planned, current, true, {hook(4), hook(2), dead(3)});
    ASSERT_TRUE(planned.trial);
    EXPECT_EQ(planned.trial->before, current.scopes);
    EXPECT_THAT(planned.trial->guarded_before, ElementsAre(2, 4));
    put_on_trial(planned, {}, false, {});
    EXPECT_TRUE(planned.trial); // not asked for and none running: left alone
    Document fresh = guarding({"eth0"});
    put_on_trial(fresh, {}, true, {});
    EXPECT_THAT(fresh.trial->before, IsEmpty());
}

TEST(Trial, GoesOnUnderAnotherAttach) {
    const Document running = on_trial_over(guarding({"eth0"}).scopes);
    Document planned = guarding({"eth2"});
    put_on_trial(planned, running, false, {hook(2), hook(3)});
    ASSERT_TRUE(planned.trial);
    EXPECT_EQ(planned.trial->deadline_ns, 7u);
    EXPECT_EQ(planned.trial->before, running.trial->before);
    EXPECT_THAT(planned.trial->guarded_before, ElementsAre(2));
}

TEST(Trial, IsOverdueFromItsDeadlineOn) {
    Document document = on_trial_over({});
    EXPECT_FALSE(overdue(document, 6));
    EXPECT_TRUE(overdue(document, 7));
    EXPECT_FALSE(overdue(guarding({"eth0"}), 7));
    set_deadline(document, std::chrono::seconds(100));
    const auto told = on_trial(document);
    ASSERT_TRUE(told);
    EXPECT_GE(told->seconds_left, 99u);
    EXPECT_LE(told->seconds_left, 100u);
    EXPECT_TRUE(told->takes_all_off);
    EXPECT_EQ(seconds_left(1, 0), 1u);
    EXPECT_EQ(seconds_left(5, 5), 0u);
    EXPECT_EQ(seconds_left(5, 6), 0u);
}

// A device that was renamed meanwhile is held; one that only the trial guarded is let go, also if it came
// later.
TEST(Trial, GoingBackHoldsWhatWasGuarded) {
    const Topology renamed =
        test::topology({Dev(2, "wan0").addr("10.1.0.5", 24).route(), Dev(3, "eth1").addr("10.2.0.5", 24),
                        Dev(9, "eth2").addr("10.9.0.5", 24)});
    Document document = on_trial_over(guarding({"eth0"}).scopes);
    document.trial->before[0].takes_new = false;
    std::vector<UplinkHook> hooks{hook(2), hook(3), hook(9)};
    const Document back = gone_back(document, renamed, hooks);
    EXPECT_EQ(hooks.size(), 1u);
    ASSERT_EQ(back.scopes.size(), 1u);
    EXPECT_THAT(back.scopes[0].uplinks, ElementsAre("eth0", "wan0"));
    EXPECT_FALSE(back.trial);
}

TEST(Trial, WhatIsDetachedDoesNotComeBack) {
    const Document document = on_trial_over(guarding({"eth0", "eth1"}).scopes);
    const auto wanted = plan_detach({"eth1"}, document, two);
    ASSERT_TRUE(wanted) << wanted.error().message;
    EXPECT_THAT(wanted->scopes[0].uplinks, ElementsAre("eth0"));
    ASSERT_TRUE(wanted->trial);
    EXPECT_THAT(wanted->trial->before[0].uplinks, ElementsAre("eth0"));
    EXPECT_THAT(wanted->trial->before[0].unguarded, ElementsAre(3));
    const auto other = plan_detach({"eth1"}, on_trial_over(guarding({"eth0"}).scopes), two);
    ASSERT_TRUE(other);
    EXPECT_THAT(other->trial->before[0].uplinks, ElementsAre("eth0"));
    EXPECT_FALSE(plan_detach({"eth7"}, document, two));
}

} // namespace
} // namespace lk
