// SPDX-License-Identifier: MIT
#include "vm/verifier_records.h"

#include <gtest/gtest.h>

namespace lk::vm {
namespace {

Records records(const std::string &clang = "14") {
    std::istringstream lines("# a comment\n"
                             "5.10 14 lk_a lk_one 100\n"
                             "5.10 14 lk_gate - refused\n"
                             "6.1 14 lk_a lk_one 200\n"
                             "6.12 14 lk_a lk_one 150\n"
                             "6.12 14 lk_gate lk_in 1000\n"
                             "6.12 16 lk_a lk_one 9000\n");
    return {lines, clang};
}

TEST(VerifierRecords, OfTheKernelItself) {
    EXPECT_EQ(records().limit({5, 10}, "lk_a lk_one").instructions, 110);
    EXPECT_EQ(records().limit({5, 10}, "lk_a lk_one").of, "5.10");
    EXPECT_TRUE(records().has({5, 10}));
    EXPECT_TRUE(records().refused({5, 10}, "lk_gate"));
    EXPECT_FALSE(records().refused({6, 1}, "lk_gate"));
}

TEST(VerifierRecords, OfItsNeighbours) {
    EXPECT_FALSE(records().has({6, 6}));
    EXPECT_EQ(records().limit({6, 6}, "lk_a lk_one").instructions, 333);
    EXPECT_EQ(records().limit({6, 6}, "lk_a lk_one").of, "6.1 and 6.12");
    EXPECT_EQ(records().limit({7, 0}, "lk_a lk_one").instructions, 250);
    EXPECT_EQ(records().limit({4, 19}, "lk_a lk_one").of, "5.10");
    // What the kernel is recorded to refuse, and takes here.
    EXPECT_EQ(records().limit({5, 10}, "lk_gate lk_in").instructions, 1666);
}

TEST(VerifierRecords, OfNone) {
    EXPECT_EQ(records().limit({6, 6}, "lk_a lk_new").instructions, 0);
    EXPECT_EQ(records().limit({6, 1}, "lk_gate lk_in").instructions, 0);
    EXPECT_TRUE(records("19").empty());
    EXPECT_EQ(records("19").limit({6, 1}, "lk_a lk_one").instructions, 500'000);
    EXPECT_EQ(records("16").limit({5, 10}, "lk_a lk_one").instructions, 15'000);
}

} // namespace
} // namespace lk::vm
