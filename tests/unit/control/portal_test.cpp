// SPDX-License-Identifier: MIT
#include "control/portal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../net/topologies.h"
#include "base/boot_clock.h"
#include "control/detach.h"

namespace lk {
namespace {

using test::Dev;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Address at(const char *text) {
    return Address::parse(text).value();
}

Document guarding(const std::vector<std::string> &names, const Policy &policy = {}) {
    return Document{{Scope{names, true, {}, policy}}};
}

Policy asking(const char *resolver) {
    Policy policy;
    policy.resolvers = {Resolver::parse(resolver).value()};
    return policy;
}

Document open_to(const std::vector<Router> &routers, const std::vector<std::string> &uplinks = {"eth0"},
                 const Policy &policy = {}) {
    Document document = guarding(uplinks, policy);
    document.portal = Portal{boot_clock_ns() + 60 * ns_per_second, routers};
    return document;
}

std::string refusal(const Document &document, const Topology &topology,
                    const std::vector<Address> &named = {}) {
    const auto plan = plan_portal(document, topology, named);
    EXPECT_FALSE(plan);
    if (plan) return {};
    EXPECT_EQ(plan.error().exit, Exit::unsupported);
    return plan.error().message;
}

const Dev home = Dev(2, "eth0").addr("10.1.0.5", 24).router("10.1.0.1").router("fe80::1");
const Dev hotspot = Dev(2, "eth0").addr("198.51.100.5", 24).router("198.51.100.1").router("fe80::1");
const Dev tunnel = Dev(9, "tun0", "tun").type(ARPHRD_NONE).addr("10.1.0.77", 28);

TEST(Portal, IsForRoutersInTheLan) {
    const auto plan = plan_portal(guarding({"eth0"}), test::topology({home}), {});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_THAT(plan->routers, ElementsAre(Router{2, at("10.1.0.1")}, Router{2, at("fe80::1")}));
    EXPECT_THAT(plan->notices, IsEmpty());
}

// The prefix may be too wide for a LAN, or the next hop outside of it: its own address decides.
TEST(Portal, LooksAtTheAddressAlone) {
    for (const char *router :
         {"10.1.0.1", "172.31.255.1", "192.168.0.1", "169.254.7.1", "fd00::1", "fe80::9"})
        EXPECT_TRUE(plan_portal(guarding({"eth0"}),
                                test::topology({Dev(2, "eth0").addr("10.1.0.5", 8).router(router)}), {}))
            << router;
    for (const char *router : {"172.32.0.1", "100.64.0.1", "192.169.0.1", "2001:db8::1", "fe80:1::1"})
        EXPECT_FALSE(plan_portal(guarding({"eth0"}),
                                 test::topology({Dev(2, "eth0").addr("10.1.0.5", 8).router(router)}), {}))
            << router;
}

TEST(Portal, IsForNoPublicRouterUnlessItIsNamed) {
    const Topology public_alone =
        test::topology({Dev(2, "eth0").addr("198.51.100.5", 24).router("198.51.100.1")});
    const std::string told = refusal(guarding({"eth0"}), public_alone);
    EXPECT_THAT(told, HasSubstr("198.51.100.1 (eth0)"));
    EXPECT_THAT(told, HasSubstr("leakbpf portal DURATION --router 198.51.100.1"));

    const Topology both = test::topology({hotspot});
    const auto plan = plan_portal(guarding({"eth0"}), both, {});
    ASSERT_TRUE(plan);
    EXPECT_THAT(plan->routers, ElementsAre(Router{2, at("fe80::1")}));
    EXPECT_THAT(plan->notices, ElementsAre(HasSubstr("--router 198.51.100.1")));
    const auto named = plan_portal(guarding({"eth0"}), both, {at("198.51.100.1")});
    ASSERT_TRUE(named);
    EXPECT_THAT(named->routers, ElementsAre(Router{2, at("198.51.100.1")}));
    EXPECT_THAT(named->notices, IsEmpty());
    EXPECT_THAT(
        refusal(guarding({"eth0"}), both, {at("fe80::1"), at("198.51.100.9")}),
        HasSubstr("--router 198.51.100.9: no default route over a guarded uplink has this next hop; there "
                  "are: 198.51.100.1 (eth0), fe80::1 (eth0)"));

    Policy named_lan;
    named_lan.lan = {Prefix::parse("198.51.100.0/24").value()};
    const auto lan = plan_portal(guarding({"eth0"}, named_lan), both, {});
    ASSERT_TRUE(lan);
    EXPECT_THAT(lan->routers, SizeIs(2));
}

// The hotspot's router has the address of the VPN's resolver, or one inside the tunnel.
TEST(Portal, IsForNoAddressOfTheVpn) {
    const Document asks = guarding({"eth0"}, asking("10.1.0.1"));
    const auto plan = plan_portal(asks, test::topology({home}), {});
    ASSERT_TRUE(plan);
    EXPECT_THAT(plan->routers, ElementsAre(Router{2, at("fe80::1")}));
    EXPECT_THAT(plan->notices, ElementsAre(HasSubstr("10.1.0.1 (eth0) has the address of a resolver")));
    EXPECT_THAT(refusal(asks, test::topology({home}), {at("10.1.0.1")}),
                HasSubstr("--router 10.1.0.1: 10.1.0.1 (eth0) has the address of a resolver"));
    const Dev one = Dev(2, "eth0").addr("10.1.0.5", 24).router("10.1.0.70");
    EXPECT_THAT(refusal(guarding({"eth0"}), test::topology({one, tunnel})),
                HasSubstr("10.1.0.70 (eth0) has an address that belongs to the tunnel tun0 (10.1.0.64/28)"));
    EXPECT_TRUE(plan_portal(guarding({"eth0"}), test::topology({one}), {}));
}

TEST(Portal, IsForRoutersOfGuardedUplinksAlone) {
    const Dev other = Dev(3, "eth1").addr("10.2.0.5", 24).router("10.2.0.1");
    Document first = guarding({"eth0"});
    first.scopes[0].unguarded = {3};
    const auto plan = plan_portal(first, test::topology({home, other}), {});
    ASSERT_TRUE(plan);
    EXPECT_THAT(plan->routers, ElementsAre(Router{2, at("10.1.0.1")}, Router{2, at("fe80::1")}));
    EXPECT_THAT(refusal(guarding({"eth0"}), test::topology({Dev(2, "eth0").addr("10.1.0.5", 24).route()})),
                HasSubstr("no default route by a router leads over a guarded uplink (eth0)"));
}

// One that goes is not open again when it comes back, or another with its address.
TEST(Portal, ForgetsRoutersThatAreNoneAnyMore) {
    Document document = open_to({{2, at("10.1.0.1")}, {2, at("fe80::1")}});
    EXPECT_FALSE(prune_portal(document, test::topology({home})));
    EXPECT_TRUE(
        prune_portal(document, test::topology({Dev(2, "eth0").addr("10.1.0.5", 24).router("fe80::1")})));
    EXPECT_FALSE(prune_portal(document, test::topology({home})));
    ASSERT_TRUE(document.portal);
    EXPECT_THAT(document.portal->routers, ElementsAre(Router{2, at("fe80::1")}));
    EXPECT_TRUE(prune_portal(document, test::topology({Dev(2, "eth0").addr("10.1.0.5", 24)})));
    EXPECT_FALSE(document.portal);
    EXPECT_FALSE(prune_portal(document, test::topology({home})));

    Document covered = open_to({{2, at("10.1.0.70")}});
    const Dev one = Dev(2, "eth0").addr("10.1.0.5", 24).router("10.1.0.70");
    EXPECT_TRUE(prune_portal(covered, test::topology({one, tunnel})));
    EXPECT_FALSE(covered.portal);
}

TEST(Portal, IsShownWithTheRoutersThatItHasStill) {
    const Dev other = Dev(3, "eth1").addr("10.2.0.5", 24).router("10.2.0.1");
    Document document = open_to({{2, at("10.1.0.1")}, {2, at("10.1.0.9")}, {3, at("10.2.0.1")}});
    document.scopes[0].unguarded = {3};
    const auto open = portal_of(document, test::topology({home, other}));
    ASSERT_TRUE(open);
    EXPECT_THAT(open->routers, ElementsAre(std::pair<std::string, std::string>("eth0", "10.1.0.1")));
    EXPECT_GE(open->seconds_left, 59u);
    document.portal->until_ns = boot_clock_ns();
    EXPECT_FALSE(portal_of(document, test::topology({home})));
}

TEST(Portal, LosesTheRoutersOfAnUplinkThatIsDetached) {
    const Topology two = test::topology({home, Dev(3, "eth1").addr("10.2.0.5", 24).router("10.2.0.1")});
    const Document document = open_to({{2, at("10.1.0.1")}, {3, at("10.2.0.1")}}, {"eth0", "eth1"});
    const auto left = plan_detach({"eth1"}, document, two);
    ASSERT_TRUE(left);
    ASSERT_TRUE(left->portal);
    EXPECT_EQ(left->portal->until_ns, document.portal->until_ns);
    EXPECT_THAT(left->portal->routers, ElementsAre(Router{2, at("10.1.0.1")}));
}

} // namespace
} // namespace lk
