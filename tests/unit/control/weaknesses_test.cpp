// SPDX-License-Identifier: MIT
#include "control/weaknesses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../net/topologies.h"

namespace lk {
namespace {

using test::Dev;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// All is well: one uplink, its hook at the head, every socket hook alive, a follower.
Status well() {
    Status status;
    status.attached = true;
    status.follower = 77;
    status.epoch = 3;
    status.topology = test::topology({Dev(2, "eth0").addr("10.1.0.5", 24).route()});
    Scope scope{{"eth0"}, true, {}, {}};
    scope.policy.lockdown = true;
    status.document.scopes.push_back(scope);
    status.built = build_image(status.document, status.topology);
    status.uplinks.push_back({2, Attachment::tcx, 17, true, {}, {}});
    status.gate = GateKind::netfilter;
    for (const char *name : {"sock_create", "connect4", "setsockopt"})
        status.cgroup_hooks.push_back({name, true, "/sys/fs/cgroup"});
    return status;
}

Status judged(Status status) {
    judge(status);
    return status;
}

TEST(Weaknesses, ASecondGateGoesWithAFollower) {
    Status status = well();
    status.gate = GateKind::none;
    EXPECT_THAT(judged(status).weaknesses, ElementsAre(HasSubstr("second gate")));
    status.document.scopes[0].takes_new = false;
    EXPECT_THAT(judged(status).weaknesses, IsEmpty());
    status = well();
    status.gate = GateKind::cgroup;
    EXPECT_THAT(judged(status).weaknesses, IsEmpty());
    EXPECT_THAT(judged(status).remarks, ElementsAre(HasSubstr("forwarded")));
    status.gate = GateKind::none;
    status.follower.reset();
    EXPECT_THAT(judged(status).weaknesses, IsEmpty());
}

TEST(Weaknesses, ServicesNeedTheHookThatSeesWhoAsks) {
    Status status = well();
    status.document.scopes[0].policy.lockdown = false;
    status.document.scopes[0].policy.services = {ServedPort::parse("tcp/22").value()};
    status.built = build_image(status.document, status.topology);
    EXPECT_THAT(judged(status).weaknesses,
                ElementsAre(HasSubstr("eth0 has no living hook that sees who asks")));
    status.serves = {2};
    EXPECT_THAT(judged(status).weaknesses, IsEmpty());
}

TEST(Weaknesses, NoneWhereAllIsWell) {
    const Status status = judged(well());
    EXPECT_THAT(status.weaknesses, IsEmpty());
    EXPECT_THAT(status.remarks, IsEmpty());
}

TEST(Weaknesses, GuardsThatAreMissingOrInert) {
    Status status = well();
    status.guards = {{"compat", true, ""}, {"sockets", true, ""}, {"links", true, ""}};
    status.lsm_active = true;
    EXPECT_THAT(judged(status).weaknesses, IsEmpty());
    EXPECT_THAT(judged(status).remarks, IsEmpty());
    status.lsm_active = false; // attached, and never called
    EXPECT_THAT(judged(status).weaknesses, ElementsAre(HasSubstr("sockets is attached but inert"),
                                                       HasSubstr("links is attached but inert")));
    status.guards = {{"compat", false, ""}, {"sockets", false, ""}, {"links", false, ""}};
    EXPECT_THAT(judged(status).weaknesses, IsEmpty());
    EXPECT_THAT(judged(status).remarks, ElementsAre(HasSubstr("32-bit"), HasSubstr("would be inert")));
    status.document.scopes[0].policy.lock_sockets = true;
    EXPECT_THAT(judged(status).weaknesses, ElementsAre(HasSubstr("--lock-sockets")));
}

TEST(Weaknesses, AProgramAheadOfOurs) {
    Status status = well();
    status.uplinks[0].ahead = {"tcx program 17 \"other\""};
    EXPECT_THAT(judged(status).weaknesses,
                ElementsAre(HasSubstr("eth0: tcx program 17 \"other\" runs before")));
    status.uplinks[0].ahead.clear();
    status.uplinks[0].behind = {"tcx program 17 \"other\""};
    EXPECT_THAT(judged(status).weaknesses, IsEmpty());
}

TEST(Weaknesses, AHookThatIsMissingOrDead) {
    Status status = well();
    status.uplinks[0].ours_alive = false;
    EXPECT_THAT(judged(status).weaknesses, ElementsAre(HasSubstr("eth0")));
    status.uplinks.clear();
    EXPECT_THAT(judged(status).weaknesses, ElementsAre(HasSubstr("eth0")));
}

TEST(Weaknesses, EachSocketHook) {
    for (std::size_t index = 0; index < well().cgroup_hooks.size(); ++index) {
        Status status = well();
        status.cgroup_hooks[index].alive = false;
        EXPECT_THAT(judged(status).weaknesses, ElementsAre(HasSubstr(status.cgroup_hooks[index].name)));
    }
    Status status = well();
    status.cgroup_hooks.clear();
    EXPECT_THAT(judged(status).weaknesses, ElementsAre(HasSubstr("no socket hooks")));
}

TEST(Weaknesses, NoPolicyInForce) {
    Status status = well();
    status.epoch = 0;
    EXPECT_THAT(judged(status).weaknesses, Contains(HasSubstr("no policy")));
}

TEST(Weaknesses, ADeadFollowerAndAMissingUplinkAreRemarks) {
    Status status = well();
    status.follower.reset();
    status.document.scopes[0].uplinks.push_back("usb0");
    judge(status);
    EXPECT_THAT(status.weaknesses, IsEmpty());
    EXPECT_THAT(status.remarks, Contains(HasSubstr("no follower")));
    EXPECT_THAT(status.remarks, Contains(HasSubstr("usb0 is not there now, and without a follower")));
}

TEST(Weaknesses, AHookWithoutAPolicyIsARemark) {
    Status status = well();
    status.uplinks.push_back({9, Attachment::tcx, 17, true, {}, {}});
    EXPECT_THAT(judged(status).remarks, ElementsAre(HasSubstr("everything is denied")));
}

} // namespace
} // namespace lk
