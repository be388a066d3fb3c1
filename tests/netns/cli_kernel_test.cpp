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
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using testing::HasSubstr;

namespace {

// Runs BODY where system call NUMBER, with FIRST as its first argument (-1: any), fails with ERROR. A thread
// of its own, because a filter cannot be taken off.
void without(int number, int first, int error, const std::function<void()> &body) {
    std::thread([&] {
        const auto skip = static_cast<unsigned char>(first < 0 ? 0 : 2);
        sock_filter rows[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0,
                     static_cast<unsigned char>(skip + 1)),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(first), 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        if (first < 0) rows[1].jt = 2;
        if (first < 0) rows[1].jf = 3;
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

TEST(CliKernel, WithoutNamespaceCookies) {
    CliWorld world("kern-cookie");
    without(SYS_getsockopt, -1, ENOPROTOOPT, [&] {
        const Output output = world.attach();
        EXPECT_EQ(output.status, static_cast<int>(Exit::unsupported)) << output.err;
        EXPECT_THAT(output.err, HasSubstr("5.14"));
    });
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(world.leaks());
}
