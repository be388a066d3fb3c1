// SPDX-License-Identifier: MIT
// BPF_PROG_TEST_RUN needs a device to pretend to be on: the loopback of a network namespace of our own, so
// that the machine's own is never meant. Exit status 77 (skipped) without the privilege.
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char **argv) {
    testing::InitGoogleTest(&argc, argv);
    if (!GTEST_FLAG_GET(list_tests)) {
        if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
            std::puts("skipped: needs root");
            return 77;
        }
    }
    return RUN_ALL_TESTS();
}
