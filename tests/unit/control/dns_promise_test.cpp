// SPDX-License-Identifier: MIT
#include "control/dns_promise.h"

#include <gmock/gmock.h>

#include "../image/image_helpers.h"

namespace lk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t now = 1'000'000'000;

Policy asking(const std::vector<std::string> &resolvers) {
    Policy policy = test::policy({"198.51.100.7:1194/udp"});
    for (const auto &text : resolvers)
        policy.resolvers.push_back(Resolver::parse(text).value());
    return policy;
}

const Device eth0 = test::device(2, "eth0", {"192.168.1.5/24"});
const Device eth1 = test::device(3, "eth1", {"192.168.2.5/24"});
const Device tun = test::device(9, "wg0", {"10.42.0.2/24"}, "wireguard");
const Device tun6 = test::device(9, "wg0", {"fd42::2/64"}, "wireguard");

DnsLacks lacks(const Document &document, const std::vector<Device> &devices) {
    return dns_lacks(document, build_image(document, test::topology(devices)), now);
}
DnsLacks lacks(const Policy &policy, const std::vector<Device> &devices) {
    return lacks(test::document({"eth0"}, policy), devices);
}

TEST(DnsPromise, HoldsWithAResolverAndItsTunnel) {
    for (const auto &[resolvers, tunnel] :
         {std::pair{asking({"10.42.0.1"}), tun}, std::pair{asking({"10.42.0.1", "fd42::1"}), tun}}) {
        const DnsLacks found = lacks(resolvers, {eth0, tunnel});
        EXPECT_THAT(found.always, IsEmpty());
        EXPECT_THAT(found.until_tunnel, IsEmpty());
    }
}

TEST(DnsPromise, WaitsForTheTunnel) {
    const DnsLacks found = lacks(asking({"10.42.0.1", "fd42::1"}), {eth0});
    EXPECT_THAT(found.always, IsEmpty());
    EXPECT_THAT(found.until_tunnel, ElementsAre(HasSubstr("no tunnel is up that leads to a resolver")));
    // The IPv6 one alone carries no IPv4 queries.
    EXPECT_THAT(lacks(asking({"10.42.0.1", "fd42::1"}), {eth0, tun6}).until_tunnel,
                ElementsAre(HasSubstr("IPv4 queries are refused until one does")));
}

TEST(DnsPromise, TakesAResolverOfIPv4) {
    EXPECT_THAT(lacks(asking({}), {eth0, tun}).always, ElementsAre(HasSubstr("no resolver is named")));
    const DnsLacks found = lacks(asking({"fd42::1"}), {eth0, tun6});
    EXPECT_THAT(found.always, ElementsAre(HasSubstr("no IPv4 resolver is named")));
    EXPECT_THAT(found.until_tunnel, IsEmpty());
}

TEST(DnsPromise, TakesAResolverInEachScope) {
    Document document = test::document({"eth0"}, asking({"10.42.0.1"}));
    document.scopes.push_back(Scope{{"eth1"}, true, {}, asking({})});
    DnsLacks found = lacks(document, {eth0, eth1, tun});
    EXPECT_THAT(found.always, ElementsAre(testing::StartsWith("eth1: no resolver")));
    EXPECT_THAT(found.until_tunnel, IsEmpty());
    document.scopes[1] = Scope{{}, true, {}, asking({"10.42.0.1"})};
    found = lacks(document, {eth0, eth1});
    EXPECT_THAT(found.always, IsEmpty());
    EXPECT_THAT(found.until_tunnel, ElementsAre(testing::StartsWith("eth0, eth1: weaker: no tunnel")));
}

TEST(DnsPromise, TellsWhatLeavesInTheClear) {
    Policy policy = asking({"10.42.0.1"});
    policy.bootstrap = BootstrapName::parse_list("192.0.2.53=vpn.example").value();
    Document document = test::document({"eth0"}, policy);
    document.portal = Portal{now + 1, {{2, test::addr("192.168.1.1")}}};
    EXPECT_THAT(lacks(document, {eth0}).until_tunnel,
                ElementsAre(HasSubstr("no tunnel"), HasSubstr("--bootstrap-dns"), HasSubstr("portal")));
    EXPECT_THAT(lacks(document, {eth0, tun}).until_tunnel, IsEmpty());
    document.portal->until_ns = now;
    EXPECT_THAT(lacks(document, {eth0}).until_tunnel, testing::SizeIs(2));
}

TEST(DnsPromise, IsNotKeptByAGatewayOnPort53) {
    Policy policy = asking({"10.42.0.1"});
    policy.gateways.push_back(Gateway::parse("198.51.100.8:53/udp").value());
    EXPECT_THAT(lacks(policy, {eth0, tun}).always,
                ElementsAre(testing::AllOf(HasSubstr("198.51.100.8:53"), HasSubstr("--strict"))));
    policy.strict = true; // then it is the VPN daemon's alone
    EXPECT_THAT(lacks(policy, {eth0, tun}).always, IsEmpty());
}

// Where no uplink is there yet, the policy of those that come counts.
TEST(DnsPromise, BeforeThereIsAnUplink) {
    const Document document = test::document({}, asking({"10.42.0.1"}));
    EXPECT_THAT(lacks(document, {}).until_tunnel, ElementsAre(HasSubstr("no tunnel")));
    EXPECT_THAT(lacks(document, {tun}).until_tunnel, IsEmpty());
}

} // namespace
} // namespace lk
