// SPDX-License-Identifier: MIT
// The decision code of bpf/, compiled natively over the rows that the image builder makes, answers every case
// as the page does.
#include <gtest/gtest.h>

#include "cases/cases.h"
#include "cases/judges/native.h"

namespace lk {
namespace {

TEST(Native, AnswersEveryCase) {
    for (const Case &c : all_cases()) {
        NativeJudge native(c.world);
        std::uint64_t now_ns = 1;
        for (const Case::Step &step : c.earlier)
            native.judge(step.sender, step.frame, now_ns);
        now_ns += c.gap_ns;
        const Answer answer = native.judge(c.packet.sender, c.packet.frame, now_ns);
        EXPECT_EQ(answer, c.expected)
            << c.name << " (row " << c.row << "): expected " << to_string(c.expected) << ", native says "
            << to_string(answer) << "\n"
            << describe(c.world) << "\n"
            << hexdump(c.packet.frame);
    }
}

} // namespace
} // namespace lk
