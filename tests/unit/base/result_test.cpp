// SPDX-License-Identifier: MIT
#include "base/result.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/fd.h"

namespace lk {
namespace {

TEST(Result, HoldsAValueOrAnError) {
    const Result<std::string> good = std::string("yes");
    ASSERT_TRUE(good);
    EXPECT_EQ(*good, "yes");
    const Result<std::string> bad = bad_input("no");
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().message, "no");
    EXPECT_EQ(bad.error().exit, Exit::bad_input);
    EXPECT_TRUE(Result<void>{});
    EXPECT_EQ(Result<void>(unsupported("old")).error().exit, Exit::unsupported);
}

bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

TEST(Fd, ClosesOnceAndMoves) {
    Fd first(open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(first);
    const int number = first.get();
    Fd second = std::move(first);
    EXPECT_TRUE(is_open(number));
    EXPECT_EQ(second.get(), number);
    second.reset();
    EXPECT_FALSE(is_open(number));
    EXPECT_FALSE(second);
}

TEST(Fd, ReleaseGivesItAway) {
    int number = -1;
    {
        Fd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
        number = fd.release();
    }
    EXPECT_TRUE(is_open(number));
    Fd owner(number);
}

} // namespace
} // namespace lk
