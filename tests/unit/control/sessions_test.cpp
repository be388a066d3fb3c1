// SPDX-License-Identifier: MIT
#include "control/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../net/topologies.h"

namespace lk {
namespace {

using test::Dev;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> shown(const std::vector<NewServices> &fresh) {
    std::vector<std::string> out;
    for (const NewServices &each : fresh)
        for (const ServedPort &service : each.services)
            out.push_back(std::to_string(each.ifindex) + " " + service.str());
    return out;
}

Scope scope(const std::string &uplink, std::initializer_list<const char *> services) {
    Scope made{{uplink}, false, {}, {}};
    for (const char *text : services)
        made.policy.services.push_back(ServedPort::parse(text).value());
    return made;
}

const Topology two = test::topology(
    {Dev(2, "eth0").addr("10.1.0.5", 24).route(), Dev(3, "eth1").addr("10.2.0.5", 24).route()});

UplinkHook hook(int ifindex) {
    return {ifindex, Attachment::tcx, 7, true, {}, {}};
}

TEST(NewServices, AllWhereNothingWasGuarded) {
    const Document now{{scope("eth0", {"tcp/22", "udp/53"}), scope("eth1", {})}};
    EXPECT_THAT(shown(new_services(now, {}, two, {})), ElementsAre("2 tcp/22", "2 udp/53"));
    // A document without a living hook guarded nothing.
    EXPECT_THAT(shown(new_services(now, now, two, {hook(3)})), ElementsAre("2 tcp/22", "2 udp/53"));
}

TEST(NewServices, NoneThatTheUplinkHad) {
    const Document before{{scope("eth0", {"tcp/22"}), scope("eth1", {"tcp/80"})}};
    const std::vector<UplinkHook> hooks{hook(2), hook(3)};
    EXPECT_THAT(shown(new_services(before, before, two, hooks)), IsEmpty());
    const Document more{
        {scope("eth0", {"tcp/22", "tcp/80", "tcp/22@10.0.0.0/8"}), scope("eth1", {"tcp/22"})}};
    EXPECT_THAT(shown(new_services(more, before, two, hooks)),
                ElementsAre("2 tcp/80", "2 tcp/22@10.0.0.0/8", "3 tcp/22"));
}

} // namespace
} // namespace lk
