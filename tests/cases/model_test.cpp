// SPDX-License-Identifier: MIT
// The reference model answers every case as the page does.
#include <gtest/gtest.h>

#include "cases/cases.h"
#include "fuzz/model.h"

namespace lk {
namespace {

TEST(Model, AnswersEveryCase) {
    for (const Case &c : all_cases()) {
        model::Model model(c.world);
        std::uint64_t now_ns = 1;
        for (const Case::Step &step : c.earlier)
            model.judge(step.sender, step.frame, now_ns);
        now_ns += c.gap_ns;
        const Answer answer = model.judge(c.packet.sender, c.packet.frame, now_ns);
        EXPECT_EQ(answer, c.expected)
            << c.name << " (row " << c.row << "): expected " << to_string(c.expected) << ", the model says "
            << to_string(answer) << "\n"
            << describe(c.world) << "\n"
            << hexdump(c.packet.frame);
    }
}

} // namespace
} // namespace lk
