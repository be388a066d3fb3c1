// SPDX-License-Identifier: MIT
#include "control/cgroup_notices.h"

#include <gmock/gmock.h>

namespace lk {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(FramesNotice, NamesWhatTheProcessesMayHave) {
    EXPECT_EQ(frames_notice("0000000000000000", false), "");
    EXPECT_EQ(frames_notice("", false), "");
    EXPECT_EQ(frames_notice("00000000a80405fb", false), ""); // Docker's without CAP_NET_RAW
    EXPECT_THAT(frames_notice("00000000a80425fb", false),
                AllOf(HasSubstr("CAP_NET_RAW"), Not(HasSubstr("CAP_NET_ADMIN")))); // Docker's own
    EXPECT_THAT(frames_notice("0000000000001000", false),
                AllOf(HasSubstr("CAP_NET_ADMIN"), Not(HasSubstr("CAP_NET_RAW"))));
    EXPECT_THAT(frames_notice("000001ffffffffff", false), HasSubstr("CAP_NET_RAW and CAP_NET_ADMIN"));
}

} // namespace
} // namespace lk
