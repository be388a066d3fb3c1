// SPDX-License-Identifier: MIT
// A kernel that lacks something, as seccomp plays it: the message names what is missing, and nothing stays.
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <thread>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using testing::HasSubstr;

namespace {

// Runs BODY where system call NUMBER, with VALUE as its argument INDEX (-1: any value), fails with ERROR. A
// thread of its own, because a filter cannot be taken off.
void without(int number, int value, int error, const std::function<void()> &body, std::size_t index = 0) {
    std::thread([&] {
        const auto skip = static_cast<unsigned char>(value < 0 ? 0 : 2);
        sock_filter rows[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0,
                     static_cast<unsigned char>(skip + 1)),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                     static_cast<unsigned>(offsetof(seccomp_data, args) + index * sizeof(__u64))),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(value), 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        if (value < 0) rows[1].jt = 2;
        if (value < 0) rows[1].jf = 3;
        sock_fprog program{std::size(rows), rows};
        ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        ASSERT_EQ(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
        body();
    }).join();
}

} // namespace

TEST(CliKernel, WithoutBpf) {
    CliWorld world("kern-bpf");
    without(SYS_bpf, -1, ENOSYS, [&] {
        const Output output = world.attach();
        EXPECT_EQ(output.status, static_cast<int>(Exit::unsupported)) << output.err;
        EXPECT_THAT(output.err, HasSubstr("BPF"));
    });
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(world.leaks());
}

TEST(CliKernel, WithoutLinksNothingIsGuarded) {
    if (!kernel_is_at_least(5, 14)) GTEST_SKIP() << "a link is what tells the namespace";
    CliWorld world("kern-tcx");
    // Old kernels know the command, and refuse the type.
    without(SYS_bpf, BPF_LINK_CREATE, EINVAL, [&] {
        const Output output = world.attach({"eth0", "--gw", "198.51.100.7", "--hook", "tcx"});
        EXPECT_EQ(output.status, static_cast<int>(Exit::unsupported)) << output.err;
        EXPECT_THAT(output.err, HasSubstr("no uplink is guarded"));
    });
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(world.leaks());
}

// As before Linux 5.14.
TEST(CliKernel, WithoutNamespaceCookiesBpfIsAsked) {
    CliWorld world("kern-cookie");
    without(
        SYS_getsockopt, SO_NETNS_COOKIE, ENOPROTOOPT,
        [&] {
            const Output output = world.attach();
            EXPECT_EQ(output.status, 0) << output.err;
            EXPECT_FALSE(world.leaks());
            EXPECT_TRUE(world.gateway_reached());
        },
        2);
    EXPECT_EQ(world.leakbpf({"status"}).status, 0);
    EXPECT_EQ(world.leakbpf({"detach"}).status, 0);
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(world.leaks());
}
