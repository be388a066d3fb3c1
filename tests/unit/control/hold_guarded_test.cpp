// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>

#include "control/reconcile.h"

namespace lk {
namespace {

using testing::ElementsAre;
using testing::Pair;

Device veth(int ifindex, const std::string &name) {
    Device device;
    device.ifindex = ifindex;
    device.name = name;
    device.kind = "veth";
    device.arphrd = 1;
    return device;
}

UplinkHook hook(int ifindex, bool alive = true) {
    return {ifindex, alive ? Attachment::tcx : Attachment::none, 7, alive, {}, {}};
}

Document guarding(const std::string &name) {
    Document document;
    document.scopes.resize(1);
    document.scopes[0].uplinks = {name};
    return document;
}

TEST(SparedDevices, AreAllButThoseThatWantAHook) {
    Device bridge = veth(4, "br0"), port = veth(3, "eth1");
    bridge.kind = "bridge";
    port.kind.clear();
    port.master = 4;
    const Topology topology{{veth(2, "eth0"), port, bridge, veth(5, "inside")}};
    auto document = guarding("eth0");
    document.scopes[0].uplinks.emplace_back("br0");
    const auto all = [](int ifindex) { return Pair(ifindex, LK_SPARE_ALL); };
    const auto near = Pair(5, LK_SPARE_NEAR);
    EXPECT_THAT(spared_devices(document, topology, {hook(2), hook(3)}),
                ElementsAre(all(2), all(3), all(4), near));
    EXPECT_THAT(spared_devices(document, topology, {hook(2)}), ElementsAre(all(2), near));
    EXPECT_THAT(spared_devices(document, topology, {hook(2, false), hook(3)}),
                ElementsAre(all(3), all(4), near));
    EXPECT_THAT(spared_devices(document, topology, {hook(2), hook(5)}), ElementsAre(all(2), all(5)));
    document.scopes[0].unguarded = {5};
    EXPECT_THAT(spared_devices(document, topology, {hook(2)}), ElementsAre(all(2), all(5)));
}

// What is there already need not be the uplink that comes.
TEST(SparedDevices, AWayToContainersWithARouterIsLeftAlone) {
    Topology topology{{veth(2, "eth0"), veth(5, "inside")}};
    const auto how = [&] { return spared_devices(guarding("eth0"), topology, {hook(2)}).at(5); };
    EXPECT_EQ(how(), LK_SPARE_NEAR);
    topology.devices[1].next_hops = {*Address::parse("10.44.0.2")};
    EXPECT_EQ(how(), LK_SPARE_ALL);
}

TEST(HoldGuarded, ARenamedDeviceKeepsItsScope) {
    const Topology topology{{veth(2, "wan0")}};
    EXPECT_THAT(hold_guarded(guarding("eth0"), topology, {hook(2)}).scopes[0].uplinks,
                ElementsAre("eth0", "wan0"));
}

TEST(HoldGuarded, AlsoWhereTheScopeTakesNothingNew) {
    const Topology topology{{veth(2, "wan0")}};
    auto document = guarding("eth0");
    document.scopes[0].takes_new = false;
    EXPECT_THAT(hold_guarded(document, topology, {hook(2)}).scopes[0].uplinks, ElementsAre("eth0", "wan0"));
}

TEST(HoldGuarded, NothingChangesWhereAllIsGuarded) {
    const Topology topology{{veth(2, "eth0"), veth(3, "veth3")}};
    EXPECT_EQ(hold_guarded(guarding("eth0"), topology, {hook(2)}), guarding("eth0"));
}

TEST(HoldGuarded, ADeadHookOrAMissingDeviceHoldsNothing) {
    const Topology topology{{veth(2, "wan0")}};
    EXPECT_EQ(hold_guarded(guarding("eth0"), topology, {hook(2, false), hook(9)}), guarding("eth0"));
}

TEST(HoldGuarded, WhatWasDetachedOrNamedOtherwiseIsLetGo) {
    const Topology topology{{veth(2, "wan0")}};
    auto detached = guarding("eth0");
    detached.scopes[0].unguarded = {2};
    auto tunnel = guarding("eth0");
    tunnel.scopes[0].policy.tunnels = {"wan0"};
    auto inside = guarding("eth0");
    inside.scopes[0].policy.insides = {"wan0"};
    for (const auto &document : {detached, tunnel, inside})
        EXPECT_EQ(hold_guarded(document, topology, {hook(2)}), document);
}

TEST(HoldGuarded, WithoutAScopeThereIsNothingToHoldBy) {
    const Topology topology{{veth(2, "wan0")}};
    EXPECT_EQ(hold_guarded({}, topology, {hook(2)}), Document{});
}

} // namespace
} // namespace lk
