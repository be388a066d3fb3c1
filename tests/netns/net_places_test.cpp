// SPDX-License-Identifier: MIT
// Namespaces, cgroups and bpffs as the sandbox has them.
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/netns.h"
#include "harness/sandbox.h"
#include "net/netns.h"

namespace lk {
namespace {

using harness::Netns;
using harness::Sandbox;
using testing::HasSubstr;

std::uint64_t cookie_of(const std::string &name_or_path) {
    std::uint64_t cookie = 0;
    std::thread([&] { // the namespace is this thread's
        const auto entered = enter_netns(name_or_path);
        ASSERT_TRUE(entered) << entered.error().message;
        const auto found = netns_cookie();
        ASSERT_TRUE(found) << found.error().message;
        cookie = *found;
    })
        .join();
    return cookie;
}

TEST(Places, NetworkNamespacesByNameAndPath) {
    Netns one("lk-one"), two("lk-two");
    EXPECT_NE(cookie_of("lk-one"), 0u);
    EXPECT_EQ(cookie_of("lk-one"), cookie_of(one.path()));
    EXPECT_NE(cookie_of("lk-one"), cookie_of("lk-two"));
    EXPECT_EQ(netns_cookie().value(), netns_cookie().value());
}

// What kernels before 5.14 are asked, where both ways are there.
TEST(Places, BpfProgramsSeeTheSameCookie) {
    const auto asked = netns_cookie_by_bpf();
    ASSERT_TRUE(asked) << asked.error().message;
    EXPECT_EQ(*asked, netns_cookie().value());
    Netns other("lk-other");
    other.inside([&] {
        EXPECT_EQ(netns_cookie_by_bpf().value(), netns_cookie().value());
        EXPECT_NE(netns_cookie_by_bpf().value(), *asked);
    });
}

// As where nobody mounted cgroup2: detach --all is to work there too.
TEST(Places, NoCgroup2NeedsToBeMountedForIt) {
    const auto expected = netns_cookie().value();
    const pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
            _exit(2);
        umount2(Sandbox::current().cgroup_root().c_str(), MNT_DETACH);
        for (std::string root; !(root = harness::cgroup2_root()).empty();)
            if (umount2(root.c_str(), MNT_DETACH) != 0) _exit(3);
        const auto found = netns_cookie_by_bpf();
        if (!found) fmt::print(stderr, "{}\n", found.error().message);
        _exit(found && *found == expected ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_TRUE(WIFEXITED(status));
}

TEST(Places, WhatIsNoNetworkNamespace) {
    const auto before = netns_cookie().value();
    for (const std::string &name :
         std::vector<std::string>{"", ".", "..", "lk-none", "/proc/self/ns/mnt", "/etc/passwd", "/"}) {
        const auto entered = enter_netns(name);
        ASSERT_FALSE(entered) << name;
        EXPECT_EQ(entered.error().exit, Exit::bad_input) << name;
        EXPECT_THAT(entered.error().message, HasSubstr("\"" + name + "\""));
    }
    EXPECT_EQ(netns_cookie().value(), before);
}

TEST(Places, TheRootOfACgroupNamespaceIsNotTheHosts) {
    const auto found = cgroup_root("");
    ASSERT_FALSE(found) << *found;
    EXPECT_EQ(found.error().exit, Exit::unsupported);
    EXPECT_THAT(found.error().message, HasSubstr("--cgroup-root"));
}

TEST(Places, ACgroupRootThatIsGiven) {
    const std::string root = Sandbox::current().cgroup_root();
    EXPECT_EQ(cgroup_root(root).value(), root);
    EXPECT_EQ(cgroup_root(root + "/.").value(), root);
    for (const std::string &bad : std::vector<std::string>{std::string("/etc"), std::string("/etc/passwd"),
                                                           std::string("/nowhere"), root + "/cgroup.procs"}) {
        const auto found = cgroup_root(bad);
        ASSERT_FALSE(found) << bad;
        EXPECT_EQ(found.error().exit, Exit::bad_input) << bad;
        EXPECT_THAT(found.error().message, HasSubstr("\"" + bad + "\""));
    }
}

TEST(Places, Cgroups) {
    const std::string root = Sandbox::current().cgroup_root();
    for (const char *below : {"/a", "/a/b", "/ab"})
        mkdir((root + below).c_str(), 0755);
    // The sandbox's root is one below the machine's, which is out of sight.
    const CgroupId a = cgroup_id(root, root + "/a").value(), b = cgroup_id(root, "a/b").value();
    EXPECT_EQ(a.level, 2u);
    EXPECT_EQ(b.level, 3u);
    struct stat info {};
    ASSERT_EQ(stat((root + "/a").c_str(), &info), 0);
    EXPECT_EQ(a.id, info.st_ino);
    EXPECT_EQ(cgroup_id(root + "/a", "b").value().level, 3u);
    EXPECT_EQ(cgroup_id(root, "a/../a").value().id, a.id);

    for (const auto &[from, path] :
         std::vector<std::pair<std::string, std::string>>{{root, root},
                                                          {root, "."},
                                                          {root, ""},
                                                          {root, "/"},
                                                          {root, ".."},
                                                          {root, "nowhere"},
                                                          {root, "a/cgroup.procs"},
                                                          {root, "/etc"},
                                                          {root + "/a", root + "/ab"},
                                                          {root + "/a", "../ab"}}) {
        const auto found = cgroup_id(from, path);
        ASSERT_FALSE(found) << from << " " << path;
        EXPECT_EQ(found.error().exit, Exit::bad_input) << path;
        EXPECT_THAT(found.error().message, HasSubstr("below")) << path;
    }
    for (const char *below : {"/a/b", "/a", "/ab"})
        rmdir((root + below).c_str());
}

TEST(Places, Bpffs) {
    const std::string bpffs = Sandbox::current().bpffs();
    EXPECT_TRUE(check_bpffs(bpffs));
    mkdir((bpffs + "/lk").c_str(), 0700);
    EXPECT_TRUE(check_bpffs(bpffs + "/lk"));
    for (const std::string &bad : std::vector<std::string>{"/run", "/nowhere", "/etc/passwd"}) {
        const auto checked = check_bpffs(bad);
        ASSERT_FALSE(checked) << bad;
        EXPECT_EQ(checked.error().exit, Exit::unsupported);
        EXPECT_THAT(checked.error().message, HasSubstr("mount -t bpf")) << bad;
        EXPECT_THAT(checked.error().message, HasSubstr("\"" + bad + "\""));
    }
}

} // namespace
} // namespace lk
