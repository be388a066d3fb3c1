// SPDX-License-Identifier: MIT
// The harness holds to safety: from inside the sandbox the machine's devices, root cgroup, bpffs and
// processes are out of reach.
#include <net/if.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <linux/magic.h>

#include "harness/netns.h"
#include "harness/process.h"
#include "harness/sandbox.h"

using namespace lk::harness;

namespace {

unsigned long inode(const char *path) {
    struct stat info {};
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

std::string mountinfo() {
    std::ifstream file("/proc/self/mountinfo");
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace

TEST(HarnessHoldsToSafety, NoDeviceOfTheMachineIsVisible) {
    ASSERT_NE(Sandbox::current().outer_netns(), 0u);
    EXPECT_NE(inode("/proc/self/ns/net"), Sandbox::current().outer_netns());
    struct if_nameindex *devices = if_nameindex();
    for (const struct if_nameindex *device = devices; device->if_index; device++)
        EXPECT_STREQ(device->if_name, "lo");
    if_freenameindex(devices);
    for (const auto &entry : std::filesystem::directory_iterator("/sys/class/net"))
        EXPECT_EQ(entry.path().filename(), "lo");
}

TEST(HarnessHoldsToSafety, TheMachinesRootCgroupIsOutOfReach) {
    std::istringstream lines(mountinfo());
    int cgroup_mounts = 0;
    for (std::string line; std::getline(lines, line);) {
        if (line.find(" - cgroup") == std::string::npos) continue;
        cgroup_mounts++;
        EXPECT_NE(line.find(" / " + Sandbox::current().cgroup_root() + " "), std::string::npos) << line;
    }
    EXPECT_EQ(cgroup_mounts, 1);
    // Only the real root lacks cgroup.type.
    EXPECT_EQ(access((Sandbox::current().cgroup_root() + "/cgroup.type").c_str(), F_OK), 0);
}

TEST(HarnessHoldsToSafety, TheMachinesBpffsIsNotVisible) {
    struct statfs info {};
    ASSERT_EQ(statfs("/sys/fs/bpf", &info), 0);
    EXPECT_NE(static_cast<unsigned long>(info.f_type), static_cast<unsigned long>(BPF_FS_MAGIC));
    ASSERT_EQ(statfs(Sandbox::current().bpffs().c_str(), &info), 0);
    EXPECT_EQ(static_cast<unsigned long>(info.f_type), static_cast<unsigned long>(BPF_FS_MAGIC));
    for (const auto &entry : std::filesystem::directory_iterator(Sandbox::current().bpffs()))
        EXPECT_EQ(entry.path().extension(), ".debug"); // the kernel's own, in every new bpffs
}

TEST(HarnessHoldsToSafety, NoProcessOfTheMachineIsVisible) {
    int processes = 0;
    for (const auto &entry : std::filesystem::directory_iterator("/proc"))
        processes += isdigit(entry.path().filename().c_str()[0]) ? 1 : 0;
    EXPECT_LE(processes, 2); // pid 1 of the sandbox and this test
}

TEST(HarnessHoldsToSafety, ANetworkNamespaceIsMadeAndUnmade) {
    {
        Netns netns("lk-one");
        EXPECT_NE(inode(netns.path().c_str()), Sandbox::current().outer_netns());
        EXPECT_EQ(netns.ifindex("lo"), 1);
        EXPECT_EQ(netns.ifindex("eth0"), 0);
        netns.ip("link add eth0 type veth peer name far");
        EXPECT_GT(netns.ifindex("eth0"), 1);
    }
    EXPECT_FALSE(std::filesystem::exists("/run/netns/lk-one"));
}

TEST(HarnessHoldsToSafety, TheDefaultsOfLeakbpfAreRefused) {
    if (access(leakbpf_binary().c_str(), X_OK) != 0) FAIL() << "not built: " << leakbpf_binary();
    Netns netns("lk-two");
    netns.ip("link add eth0 type veth peer name far\nlink set eth0 up");
    // No default route in the sandbox's own namespace: no uplink can be found without a name.
    const Sandbox &sandbox = Sandbox::current();
    Output unnamed = run({leakbpf_binary(), "--bpffs", sandbox.bpffs(), "--cgroup-root",
                          sandbox.cgroup_root(), "attach", "--lockdown", "--no-follow"});
    EXPECT_NE(unnamed.status, 0) << unnamed.out;
    Output no_root =
        run({leakbpf_binary(), "--bpffs", sandbox.bpffs(), "attach", "eth0", "--lockdown", "--no-follow"},
            {.netns = netns.fd()});
    EXPECT_NE(no_root.status, 0) << no_root.out;
    EXPECT_NE(no_root.err.find("--cgroup-root"), std::string::npos) << no_root.err;
    Output no_bpffs = run({leakbpf_binary(), "--cgroup-root", sandbox.cgroup_root(), "attach", "eth0",
                           "--lockdown", "--no-follow"},
                          {.netns = netns.fd()});
    EXPECT_NE(no_bpffs.status, 0) << no_bpffs.out;
    EXPECT_NE(no_bpffs.err.find("bpf"), std::string::npos) << no_bpffs.err;
}
