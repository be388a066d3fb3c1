// SPDX-License-Identifier: MIT
#include "control/window_times.h"

#include <gtest/gtest.h>

using namespace lk;
using std::chrono::microseconds;

TEST(WindowTimes, NoneYet) {
    const Windows windows = WindowTimes().windows();
    EXPECT_EQ(windows.count, 0u);
    EXPECT_EQ(windows.p99_us, 0u);
}

TEST(WindowTimes, OfTheLastOnesAndCountedAll) {
    WindowTimes times;
    for (int i = 0; i < 1000; ++i)
        times.add(microseconds(1'000'000)); // forgotten
    for (int i = 1; i <= 256; ++i)
        times.add(microseconds(i));
    const Windows windows = times.windows();
    EXPECT_EQ(windows.count, 1256u);
    EXPECT_EQ(windows.p50_us, 128u);
    EXPECT_EQ(windows.p99_us, 253u);
}

TEST(WindowTimes, OneIsAllOfThem) {
    WindowTimes times;
    times.add(microseconds(7));
    EXPECT_EQ(times.windows().p50_us, 7u);
    EXPECT_EQ(times.windows().p99_us, 7u);
}
