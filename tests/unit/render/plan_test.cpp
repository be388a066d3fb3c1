// SPDX-License-Identifier: MIT
#include "render/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../net/topologies.h"

namespace lk {
namespace {

using test::Dev;
using testing::HasSubstr;
using testing::StartsWith;

TEST(AttachAnswer, AsTextAndJson) {
    const AttachAnswer answer{
        {"eth0", "eth1"}, {"wlan0"}, {"mind this"}, {"uplink", "first"}, {{"tcx", "too old"}}, 4, 77};
    EXPECT_EQ(attach_text(answer), "guarded: eth0, eth1 (policy 4)\n"
                                   "UNGUARDED: wlan0\n"
                                   "given: uplink, first\n"
                                   "not given: tcx (leakbpf doctor says why)\n"
                                   "notice: mind this\n"
                                   "follower: pid 77\n");
    EXPECT_EQ(nlohmann::json::parse(attach_json(answer)),
              nlohmann::json::parse(R"({"version":1,"attached":["eth0","eth1"],"unguarded":["wlan0"],
                  "notices":["mind this"],
                  "guarantees":[{"name":"uplink","holds":true,"why_not":null},
                                {"name":"first","holds":true,"why_not":null},
                                {"name":"tcx","holds":false,"why_not":"too old"}],"epoch":4,
                  "trial":null,"follower":{"pid":77}})"));
    EXPECT_THAT(attach_text({{}, {}, {}, {}, {}, 4, {}}), HasSubstr("follower: none"));
}

TEST(DetachAnswer, AsTextAndJson) {
    EXPECT_EQ(detach_text({{"eth0"}, false}), "set free: eth0\n");
    EXPECT_EQ(nlohmann::json::parse(detach_json({})),
              nlohmann::json::parse(R"({"version":1,"detached":["all"]})"));
    EXPECT_EQ(nlohmann::json::parse(detach_json({{"eth0"}, false}))["detached"][0], "eth0");
}

TEST(PlanAnswer, AsTextAndJson) {
    DryRun dry;
    dry.topology = test::topology({Dev(2, "eth0").addr("10.1.0.5", 24).route(), Dev(3, "wlan0")});
    AttachRequest request;
    request.interfaces = {"eth0"};
    request.policy.lockdown = true;
    dry.plan = plan_attach(request, {}, dry.topology).value();
    const std::string text = plan_text(dry);
    EXPECT_THAT(text, StartsWith("scope 1: eth0, and uplinks that come later\n"));
    EXPECT_THAT(text, HasSubstr("would guard: eth0\nUNGUARDED: wlan0\n"));
    EXPECT_THAT(text, HasSubstr("would load:\n"));
    const auto json = nlohmann::json::parse(plan_json(dry));
    EXPECT_EQ(json["uplinks"], nlohmann::json::array({"eth0"}));
    EXPECT_EQ(json["unguarded"], nlohmann::json::array({"wlan0"}));
    EXPECT_EQ(json["scopes"][0]["policy"]["lockdown"], true);
    EXPECT_TRUE(json["image"].is_object());
}

} // namespace
} // namespace lk
