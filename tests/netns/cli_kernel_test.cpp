// SPDX-License-Identifier: MIT
// A kernel that lacks something, as seccomp plays it: the message names what is missing, and nothing stays.
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <map>
#include <thread>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "kernel/sys.h"
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

// The id of each pinned program, by its pin.
std::map<std::string, std::uint32_t> programs() {
    std::map<std::string, std::uint32_t> found;
    for (const std::string &pin : pins()) {
        const auto opened = lk::open_pin(pin);
        const auto object = opened.error == 0 ? lk::identify(opened.fd.get()) : std::nullopt;
        if (object && object->kind == lk::BpfKind::program) found[pin] = object->id;
    }
    return found;
}

// The guarantees that ATTACHED gives.
std::vector<std::string> given_by(const Output &attached) {
    std::vector<std::string> names;
    const auto json = nlohmann::json::parse(attached.out, nullptr, false);
    EXPECT_TRUE(json.is_object()) << attached.out << attached.err;
    if (!json.is_object()) return names;
    for (const auto &guarantee : json["guarantees"])
        if (guarantee["holds"] == true) names.push_back(guarantee["name"]);
    return names;
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

// A kernel that takes no program any more is no matter, whatever is required.
TEST(CliKernel, ReplacingAPolicyLoadsNothing) {
    if (!kernel_is_at_least(5, 14)) GTEST_SKIP() << "a program is what tells the namespace";
    CliWorld world("kern-again");
    const auto attach = [&world](const char *gateway) {
        return world.leakbpf({"--json", "attach", "eth0", "--gw", gateway, "--dns", "10.42.0.1", "--serve",
                              "tcp/2222", "--require", "uplink,identity,dns,serve"});
    };
    const Output first = attach("198.51.100.7");
    ASSERT_EQ(first.status, 0) << first.err;
    const auto loaded = programs();
    without(SYS_bpf, BPF_PROG_LOAD, EPERM, [&] {
        const Output again = attach("198.51.100.8");
        EXPECT_EQ(again.status, 0) << again.err;
        EXPECT_EQ(given_by(again), given_by(first));
    });
    EXPECT_EQ(programs(), loaded);
    EXPECT_FALSE(world.leaks());
    EXPECT_FALSE(world.gateway_reached());
    EXPECT_TRUE(world.passes("198.51.100.8"));
}

// Nor for guards that are there, or that the kernel forbids: the reasons are the same.
TEST(CliKernel, ReplacingAPolicyReadsNoBtf) {
    CliWorld world("kern-btf");
    const auto attach = [&world](const char *gateway) {
        const Output output = world.leakbpf({"--json", "attach", "eth0", "--gw", gateway});
        EXPECT_EQ(output.status, 0) << output.err;
        return nlohmann::json::parse(output.out, nullptr, false);
    };
    const auto first = attach("198.51.100.7");
    const char *btf = "/sys/kernel/btf/vmlinux";
    if (::access(btf, F_OK) != 0) GTEST_SKIP() << "this kernel tells no BTF";
    ASSERT_EQ(::mount("/dev/null", btf, nullptr, MS_BIND, nullptr), 0);
    const auto again = attach("198.51.100.8");
    ASSERT_EQ(::umount2(btf, MNT_DETACH), 0);
    ASSERT_TRUE(first.contains("guarantees") && again.contains("guarantees"));
    EXPECT_EQ(again["guarantees"], first["guarantees"]);
    EXPECT_TRUE(world.passes("198.51.100.8"));
}

// What nobody requires is not tried: the tunnels' programs are loaded when there is a tunnel.
TEST(CliKernel, WithoutATunnelItsProgramsAreNotLoaded) {
    CliWorld world("kern-tunnel");
    const auto has = [](const char *name) {
        for (const auto &[pin, id] : programs())
            if (pin.ends_with(name)) return true;
        return false;
    };
    std::vector<std::string> words{"eth0", "--no-follow", "--gw", "198.51.100.7", "--dns", "10.42.0.1"};
    const Output attached = world.attach(words);
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.out, testing::ContainsRegex("not given: [a-z, -]*dns"));
    EXPECT_FALSE(has("/lk_tunnel_in"));
    words.insert(words.end(), {"--require", "dns"});
    ASSERT_EQ(world.attach(words).status, 0);
    EXPECT_TRUE(has("/lk_tunnel_in"));
    EXPECT_TRUE(has("/lk_tunnel_out"));
}

// What a kernel that tells no BTF gives: all that rests on the core objects.
TEST(CliKernel, WithoutBtfOfTheKernelTheFilterHolds) {
    CliWorld world("kern-nobtf");
    const char *btf = "/sys/kernel/btf/vmlinux";
    const bool told = ::access(btf, F_OK) == 0;
    ASSERT_TRUE(!told || ::mount("/dev/null", btf, nullptr, MS_BIND, nullptr) == 0);
    const Output attached =
        world.attach({"eth0", "--gw", "198.51.100.7", "--dns", "10.42.0.1", "--serve", "tcp/2222",
                      "--require", "uplink,first,identity,bypass-guard,serve"});
    const Output doctor = world.leakbpf({"doctor"});
    ASSERT_TRUE(!told || ::umount2(btf, MNT_DETACH) == 0);
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_NE(doctor.out.find("weaker here: what sockets send is held"), std::string::npos) << doctor.out;
    EXPECT_FALSE(world.leaks());
    EXPECT_TRUE(world.gateway_reached());
}

// The policy in force stays where the new one cannot have programs of its own build.
TEST(CliKernel, WhatMayBeOfAnotherBuildIsLoadedAnew) {
    if (!kernel_is_at_least(5, 14)) GTEST_SKIP() << "a program is what tells the namespace";
    CliWorld world("kern-build");
    const auto attach = [&world](const char *gateway, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"eth0", "--no-follow", "--gw", gateway});
        return world.attach(more);
    };
    ASSERT_EQ(attach("198.51.100.7").status, 0);
    const auto loaded = programs();
    int removed = 0;
    for (const std::string &pin : pins())
        if (pin.ends_with("/progs/build")) removed += std::filesystem::remove(pin);
    ASSERT_EQ(removed, 1);
    without(SYS_bpf, BPF_PROG_LOAD, EPERM, [&] {
        EXPECT_EQ(attach("198.51.100.8").status, static_cast<int>(lk::Exit::permission));
        // What is pinned promises nothing for those that would take its place.
        EXPECT_EQ(attach("198.51.100.8", {"--require", "uplink,identity"}).status,
                  static_cast<int>(lk::Exit::unsupported));
    });
    EXPECT_EQ(programs(), loaded);
    EXPECT_FALSE(world.leaks());
    EXPECT_TRUE(world.gateway_reached());
    ASSERT_EQ(attach("198.51.100.8").status, 0);
    for (const auto &[pin, id] : programs())
        EXPECT_TRUE(!loaded.contains(pin) || loaded.at(pin) != id) << pin;
    EXPECT_FALSE(world.gateway_reached());
    EXPECT_TRUE(world.passes("198.51.100.8"));
}
