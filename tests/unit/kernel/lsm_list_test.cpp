// SPDX-License-Identifier: MIT
#include "kernel/lsm_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lk {
namespace {

TEST(LsmList, Names) {
    EXPECT_THAT(lsms_in("lockdown,capability,bpf"), testing::ElementsAre("lockdown", "capability", "bpf"));
    EXPECT_THAT(lsms_in("capability\n"), testing::ElementsAre("capability"));
    EXPECT_THAT(lsms_in(""), testing::IsEmpty());
}

} // namespace
} // namespace lk
