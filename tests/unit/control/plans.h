// SPDX-License-Identifier: MIT
// A policy of one gateway, and plans that succeed.
#pragma once

#include <gtest/gtest.h>

#include "control/control.h"

namespace lk::test {

inline Policy policy(const char *gateway = "198.51.100.7:1194/udp") {
    Policy made;
    made.gateways.push_back(Gateway::parse(gateway).value());
    return made;
}

inline Plan plan(const AttachRequest &asked, const Document &current, const Topology &topology) {
    Result<Plan> made = plan_attach(asked, current, topology);
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? *std::move(made) : Plan{};
}

} // namespace lk::test
