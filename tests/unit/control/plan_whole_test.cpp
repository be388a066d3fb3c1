// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../net/topologies.h"
#include "control/control.h"
#include "control/detach.h"
#include "control/scopes.h"
#include "plans.h"

namespace lk {
namespace {

using test::Dev;
using test::plan;
using test::policy;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Scope scope(std::vector<std::string> uplinks, bool takes_new = true, Policy asked = policy()) {
    return {std::move(uplinks), takes_new, {}, std::move(asked)};
}

AttachRequest whole(std::vector<Scope> scopes) {
    AttachRequest made;
    made.whole = Document{std::move(scopes)};
    return made;
}

// Two cables, one with the default route; a tunnel and a container bridge.
Topology machine() {
    return test::topology({Dev(1, "lo").lo(), Dev(2, "eth0").addr("10.1.0.5", 24).route(),
                           Dev(3, "eth1").addr("10.2.0.5", 24), Dev(4, "tun0", "tun").type(ARPHRD_NONE),
                           Dev(5, "br-c", "bridge").addr("10.3.0.1", 24),
                           Dev(6, "veth1", "veth").port_of(5)});
}

TEST(PlanWhole, AScopeWithoutInterfacesGuardsEveryUplink) {
    const Plan made = plan(whole({scope({})}), {}, machine());
    EXPECT_THAT(made.built.uplinks, ElementsAre(2, 3));
    EXPECT_THAT(made.built.unguarded, IsEmpty());
    EXPECT_EQ(made.document, *whole({scope({})}).whole);
}

TEST(PlanWhole, TheLastScopeThatIsNotOnlyTakesWhatNobodyNames) {
    const Plan made =
        plan(whole({scope({"eth1"}, false, policy("203.0.113.1")), scope({"eth0"})}), {}, machine());
    EXPECT_THAT(made.built.uplinks, ElementsAre(2, 3));
    Topology later = machine();
    later.devices.push_back(Dev(7, "usb0").addr("10.9.0.5", 24));
    EXPECT_EQ(ScopeView(made.document, later).scope_of(7), 1u);
    EXPECT_EQ(ScopeView(made.document, later).scope_of(3), 0u);
}

TEST(PlanWhole, OnlyLeavesTheOthersAlone) {
    const Plan made = plan(whole({scope({"eth0"}, false)}), {}, machine());
    EXPECT_THAT(made.built.uplinks, ElementsAre(2));
    EXPECT_THAT(made.built.unguarded, ElementsAre(3));
}

TEST(PlanWhole, AnUplinkThatIsNotThereIsNoErrorAndGuardedWhenItComes) {
    const Plan made = plan(whole({scope({"wwan0"}, false)}), {}, machine());
    EXPECT_THAT(made.built.uplinks, IsEmpty());
    EXPECT_THAT(made.built.notices,
                Contains(HasSubstr("no device \"wwan0\" now: it is guarded when it comes")));
    Topology later = machine();
    later.devices.push_back(Dev(7, "wwan0").addr("10.9.0.5", 24));
    EXPECT_EQ(ScopeView(made.document, later).scope_of(7), 0u);
    // A machine at boot, with nothing yet.
    EXPECT_TRUE(plan_attach(whole({scope({})}), {}, test::topology({Dev(1, "lo").lo()})));
}

TEST(PlanWhole, WhatCannotBeGuardedIsAnError) {
    Scope as_tunnel = scope({"eth0"});
    as_tunnel.policy.tunnels = {"eth0"};
    Scope as_inside = scope({});
    as_inside.policy.insides = {"eth1"};
    Scope no_policy = scope({});
    no_policy.policy = {};
    const struct {
        AttachRequest request;
        const char *says;
    } rows[] = {
        {whole({scope({"lo"})}), "loopback"},
        {whole({scope({"tun0"})}), "is a tunnel"},
        {whole({as_tunnel}), "--tunnel"},
        {whole({scope({"eth1"}, false), as_inside}), "--inside"}, // of another scope
        {whole({no_policy}), "nothing may leave"},
    };
    for (const auto &row : rows) {
        const Result<Plan> made = plan_attach(row.request, {}, machine());
        ASSERT_FALSE(made) << row.says;
        EXPECT_EQ(made.error().exit, Exit::bad_input);
        EXPECT_THAT(made.error().message, HasSubstr(row.says));
    }
}

TEST(PlanWhole, ReplacesEveryScope) {
    const Document before{
        {scope({"eth0"}, false, policy("203.0.113.1")), scope({"eth1"}, true, policy("203.0.113.2"))}};
    const AttachRequest asked = whole({scope({})});
    const Plan made = plan(asked, before, machine());
    EXPECT_EQ(made.document, *asked.whole);
    EXPECT_EQ(plan(asked, made.document, machine()).document, made.document);
}

TEST(PlanWhole, OnlyDetachLetsGo) {
    const Document before{{scope({"eth0"}, false), scope({"eth1"}, false)}};
    const AttachRequest asked = whole({scope({"eth0"}, false)});
    const Plan made = plan(asked, before, machine());
    EXPECT_THAT(made.built.uplinks, ElementsAre(2, 3));
    EXPECT_THAT(made.document.scopes.at(0).uplinks, ElementsAre("eth0", "eth1"));
    EXPECT_THAT(made.built.notices, Contains(HasSubstr("eth1 is guarded and no scope names it")));
    EXPECT_EQ(plan(asked, made.document, machine()).document, made.document);
    // One of a state that cannot be read, likewise.
    AttachRequest found = asked;
    found.also = {"eth1"};
    EXPECT_THAT(plan(found, {}, machine()).built.uplinks, ElementsAre(2, 3));
    // Said to be a tunnel, it is no uplink any more.
    AttachRequest tunnel = asked;
    tunnel.whole->scopes[0].policy.tunnels = {"eth1"};
    EXPECT_THAT(plan(tunnel, before, machine()).built.uplinks, ElementsAre(2));
}

// attach and detach over a scope that names nothing and so guards all.
TEST(PlanWhole, AttachBesideAScopeOfAll) {
    const Document all{{scope({})}};
    AttachRequest asked;
    asked.interfaces = {"eth0"};
    asked.policy = policy("203.0.113.1");
    const Plan beside = plan(asked, all, machine());
    EXPECT_EQ(ScopeView(beside.document, machine()).scope_of(2), 1u);
    EXPECT_EQ(ScopeView(beside.document, machine()).scope_of(3), 0u); // keeps its policy
    asked.only = true;
    const Plan only = plan(asked, all, machine());
    EXPECT_EQ(ScopeView(only.document, machine()).scope_of(2), 1u);
    EXPECT_EQ(ScopeView(only.document, machine()).scope_of(3), 0u);
    EXPECT_EQ(scope_of_all(only.document), 0u); // and goes on taking what comes
}

TEST(PlanWhole, DetachFromAScopeOfAllLeavesTheOthersGuarded) {
    const Document all{{scope({})}};
    const auto made = plan_detach({"eth1"}, all, machine());
    ASSERT_TRUE(made);
    ASSERT_EQ(made->scopes.size(), 1u);
    EXPECT_EQ(ScopeView(*made, machine()).scope_of(2), 0u);
    EXPECT_EQ(ScopeView(*made, machine()).scope_of(3), std::nullopt);
}

} // namespace
} // namespace lk
