// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../net/topologies.h"
#include "control/control.h"
#include "control/detach.h"
#include "plans.h"

namespace lk {
namespace {

using test::Dev;
using test::plan;
using test::policy;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

AttachRequest request(std::vector<std::string> interfaces, Policy asked = policy()) {
    AttachRequest made;
    made.interfaces = std::move(interfaces);
    made.policy = std::move(asked);
    return made;
}

// A laptop: a cable with a default route, wireless without, a tunnel, a container bridge.
Topology laptop() {
    return test::topology({Dev(1, "lo").lo(), Dev(2, "eth0").addr("10.1.0.5", 24).route(),
                           Dev(3, "wlan0").addr("10.2.0.5", 24), Dev(4, "tun0", "tun").type(ARPHRD_NONE),
                           Dev(5, "br-c", "bridge").addr("10.3.0.1", 24),
                           Dev(6, "veth1", "veth").port_of(5)});
}

TEST(PlanAttach, GuardsTheNamedUplinkAndListsTheOthers) {
    const Plan made = plan(request({"eth0"}), {}, laptop());
    ASSERT_EQ(made.document.scopes.size(), 1u);
    EXPECT_THAT(made.document.scopes[0].uplinks, ElementsAre("eth0"));
    EXPECT_THAT(made.document.scopes[0].unguarded, ElementsAre(3));
    EXPECT_TRUE(made.document.scopes[0].takes_new);
    EXPECT_THAT(made.built.uplinks, ElementsAre(2));
    EXPECT_THAT(made.built.unguarded, ElementsAre(3));
}

TEST(PlanAttach, WithoutANameTakesTheDefaultRoutesOfNoTunnel) {
    Topology topology = laptop();
    topology.devices[3].default_route = true; // tun0
    const Plan made = plan(request({}), {}, topology);
    EXPECT_THAT(made.document.scopes[0].uplinks, ElementsAre("eth0"));
    EXPECT_THAT(made.built.unguarded, ElementsAre(3));
}

TEST(PlanAttach, WithoutANameAnUplinkThatNobodyUsesYetIsGuardedToo) {
    Topology topology = laptop();
    topology.devices[2].addresses.clear(); // wlan0: not connected
    const Plan made = plan(request({}), {}, topology);
    EXPECT_THAT(made.built.uplinks, ElementsAre(2, 3));
    EXPECT_THAT(made.built.unguarded, IsEmpty());
    AttachRequest only = request({});
    only.only = true;
    EXPECT_THAT(plan(only, {}, topology).built.unguarded, ElementsAre(3));
}

TEST(PlanAttach, WithoutANameAndWithoutADefaultRouteIsAnError) {
    Topology topology = laptop();
    topology.devices[1].default_route = false;
    const Result<Plan> made = plan_attach(request({}), {}, topology);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().exit, Exit::bad_input);
    EXPECT_THAT(made.error().message, HasSubstr("name the uplink"));
    EXPECT_THAT(made.error().message, HasSubstr("eth0, wlan0"));
}

TEST(PlanAttach, AllUplinksAreTheIdleOnesTooAndMayBeNone) {
    auto asked = request({});
    asked.all_uplinks = true;
    const Plan made = plan(asked, {}, laptop());
    ASSERT_EQ(made.document.scopes.size(), 1u);
    EXPECT_THAT(made.document.scopes[0].uplinks, IsEmpty());
    EXPECT_THAT(made.document.scopes[0].unguarded, IsEmpty());
    EXPECT_THAT(made.built.uplinks, ElementsAre(2, 3));
    const Plan over = plan(asked, plan(request({"eth0"}), {}, laptop()).document, laptop());
    ASSERT_EQ(over.document.scopes.size(), 1u);
    EXPECT_THAT(over.built.uplinks, ElementsAre(2, 3));

    const Plan nothing = plan(asked, {}, test::topology({Dev(1, "lo").lo()}));
    ASSERT_EQ(nothing.document.scopes.size(), 1u);
    EXPECT_TRUE(nothing.built.image.host.policy.flags & LK_POLICY_GATE);

    asked.only = true;
    EXPECT_FALSE(plan_attach(asked, {}, laptop()));
    asked.only = false;
    asked.interfaces = {"eth0"};
    const auto both = plan_attach(asked, {}, laptop());
    ASSERT_FALSE(both);
    EXPECT_THAT(both.error().message, HasSubstr("--all-uplinks"));
}

TEST(PlanAttach, RefusesDevicesThatAreNoUplinkAndListsWhatIs) {
    Policy tunnelled = policy();
    tunnelled.tunnels = {"wlan0"};
    Policy inner = policy();
    inner.insides = {"wlan0"};
    const struct {
        AttachRequest asked;
        const char *name, *says;
    } rows[] = {
        {request({"eth9"}), "\"eth9\"", "is no device"},
        {request({"lo"}), "\"lo\"", "loopback"},
        {request({"tun0"}), "\"tun0\"", "is a tunnel"},
        {request({"wlan0"}, tunnelled), "\"wlan0\"", "--tunnel"},
        {request({"wlan0"}, inner), "\"wlan0\"", "--inside"},
        {request({"eth0", "eth9"}), "\"eth9\"", "is no device"},
    };
    for (const auto &row : rows) {
        const Result<Plan> made = plan_attach(row.asked, {}, laptop());
        ASSERT_FALSE(made) << row.name;
        EXPECT_EQ(made.error().exit, Exit::bad_input) << row.name;
        EXPECT_THAT(made.error().message, HasSubstr(row.name));
        EXPECT_THAT(made.error().message, HasSubstr(row.says));
        EXPECT_THAT(made.error().message, HasSubstr("uplinks here are: eth0"));
    }
}

TEST(PlanAttach, NeedsSomethingToAllow) {
    EXPECT_FALSE(plan_attach(request({"eth0"}, Policy{}), {}, laptop()));
    Policy closed;
    closed.lockdown = true;
    EXPECT_TRUE(plan_attach(request({"eth0"}, closed), {}, laptop()));
}

TEST(PlanAttach, TheSameUplinkAgainReplacesThePolicy) {
    const Plan first = plan(request({"eth0"}), {}, laptop());
    const Plan second = plan(request({"eth0"}, policy("203.0.113.9")), first.document, laptop());
    ASSERT_EQ(second.document.scopes.size(), 1u);
    EXPECT_EQ(second.document.scopes[0].policy.gateways[0].str(), "203.0.113.9");
    EXPECT_THAT(second.document.scopes[0].unguarded, ElementsAre(3));
}

TEST(PlanAttach, AnotherUplinkGetsAScopeOfItsOwn) {
    const Plan first = plan(request({"eth0"}), {}, laptop());
    const Plan second = plan(request({"wlan0"}, policy("203.0.113.9")), first.document, laptop());
    ASSERT_EQ(second.document.scopes.size(), 2u);
    EXPECT_THAT(second.document.scopes[0].uplinks, ElementsAre("eth0"));
    EXPECT_THAT(second.document.scopes[0].unguarded, IsEmpty());
    EXPECT_THAT(second.built.uplinks, ElementsAre(2, 3));
    EXPECT_THAT(second.built.unguarded, IsEmpty());
    const Plan third = plan(request({"wlan0", "eth0"}), second.document, laptop());
    ASSERT_EQ(third.document.scopes.size(), 1u);
}

TEST(PlanAttach, AnUplinkThatCameLaterFollowsThePolicyThatTookItIn) {
    const Plan first = plan(request({"eth0"}), {}, laptop());
    Topology later = laptop();
    later.devices.push_back(Dev(9, "usb0").addr("10.9.0.5", 24));
    ASSERT_THAT(build_image(first.document, later).uplinks, ElementsAre(2, 9));

    // Replaced whole: it goes along.
    const Plan again = plan(request({"eth0"}, policy("203.0.113.9")), first.document, later);
    ASSERT_EQ(again.document.scopes.size(), 1u);
    EXPECT_THAT(again.built.uplinks, ElementsAre(2, 9));
    EXPECT_THAT(again.built.unguarded, ElementsAre(3));

    // A scope beside it: it stays where it is, by name.
    const Plan beside = plan(request({"wlan0"}, policy("203.0.113.9")), first.document, later);
    EXPECT_THAT(beside.document.scopes[0].uplinks, ElementsAre("eth0", "usb0"));

    // Replaced by one that takes nothing new: never set free by that.
    AttachRequest only = request({"eth0"}, policy("203.0.113.9"));
    only.only = true;
    EXPECT_THAT(plan(only, first.document, later).built.uplinks, ElementsAre(2, 9));
}

TEST(PlanAttach, AStackedDeviceGuardsWhatCarriesIt) {
    const Topology topology = test::topology(
        {Dev(2, "eth0").port_of(7), Dev(3, "eth1").port_of(7), Dev(4, "veth1", "veth").port_of(7),
         Dev(7, "br0", "bridge").addr("10.1.0.5", 24).route(), Dev(8, "mac0", "macvlan").on(7)});
    EXPECT_THAT(plan(request({"br0"}), {}, topology).built.uplinks, ElementsAre(2, 3));
    EXPECT_THAT(plan(request({"mac0"}), {}, topology).built.uplinks, ElementsAre(2, 3));
    EXPECT_THAT(plan(request({}), {}, topology).built.uplinks, ElementsAre(2, 3));
    // One of the ports gets a policy of its own; the other stays guarded.
    const Plan whole = plan(request({"br0"}), {}, topology);
    const Plan part = plan(request({"eth1"}, policy("203.0.113.9")), whole.document, topology);
    ASSERT_EQ(part.document.scopes.size(), 2u);
    EXPECT_THAT(part.document.scopes[0].uplinks, ElementsAre("eth0"));
    EXPECT_THAT(part.built.uplinks, ElementsAre(2, 3));
}

TEST(PlanAttach, WhatAnUnreadableStateGuardedStaysGuarded) {
    AttachRequest asked = request({"eth0"});
    asked.also = {"wlan0", "lo", "tun0", "gone0"};
    EXPECT_THAT(plan(asked, {}, laptop()).built.uplinks, ElementsAre(2, 3));
    asked.interfaces.clear();
    Topology no_route = laptop();
    no_route.devices[1].default_route = false;
    EXPECT_THAT(plan(asked, {}, no_route).document.scopes[0].uplinks, ElementsAre("wlan0"));
}

TEST(PlanDetach, TakesNamesOutAndDoesNotTakeThemBackIn) {
    const Plan both = plan(request({"eth0", "wlan0"}), {}, laptop());
    const Result<Document> left = plan_detach({"wlan0"}, both.document, laptop());
    ASSERT_TRUE(left);
    ASSERT_EQ(left->scopes.size(), 1u);
    EXPECT_THAT(left->scopes[0].uplinks, ElementsAre("eth0"));
    EXPECT_THAT(build_image(*left, laptop()).unguarded, ElementsAre(3));
    const Result<Document> none = plan_detach({"eth0"}, *left, laptop());
    ASSERT_TRUE(none);
    EXPECT_THAT(none->scopes, IsEmpty());
}

TEST(PlanDetach, OfAnUplinkThatCameLaterOrIsGone) {
    const Plan first = plan(request({"eth0", "wlan0"}), {}, laptop());
    Topology later = laptop();
    later.devices.push_back(Dev(9, "usb0").addr("10.9.0.5", 24));
    const Result<Document> left = plan_detach({"usb0"}, first.document, later);
    ASSERT_TRUE(left);
    EXPECT_THAT(build_image(*left, later).uplinks, ElementsAre(2, 3));
    Topology gone = laptop();
    std::erase_if(gone.devices, [](const Device &device) { return device.name == "wlan0"; });
    const Result<Document> without = plan_detach({"wlan0"}, first.document, gone);
    ASSERT_TRUE(without);
    EXPECT_THAT(without->scopes[0].uplinks, ElementsAre("eth0"));
}

TEST(PlanDetach, OfWhatIsNotGuardedIsAnErrorThatListsWhatIs) {
    const Plan first = plan(request({"eth0"}), {}, laptop());
    for (const char *name : {"wlan0", "eth9", "lo", "tun0"}) {
        const Result<Document> left = plan_detach({name}, first.document, laptop());
        ASSERT_FALSE(left) << name;
        EXPECT_EQ(left.error().exit, Exit::bad_input);
        EXPECT_THAT(left.error().message, HasSubstr(std::string("\"") + name + "\" is not guarded"));
        EXPECT_THAT(left.error().message, HasSubstr("guarded are: eth0"));
    }
}

} // namespace
} // namespace lk
