// SPDX-License-Identifier: MIT
#include "control/root_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace lk {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A /proc with one process of uid 105 that holds a UDP socket of uid 0.
class RootSockets : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/lk-proc-XXXXXX";
        proc_ = mkdtemp(name);
        fs::create_directories(proc_ / "self/ns");
        fs::create_symlink("net:[1]", proc_ / "self/ns/net");
        process("4711", "openvpn", 105, 0, 900);
        policy_.vpn_users.push_back({105, "openvpn"});
    }
    void TearDown() override { fs::remove_all(proc_); }

    void process(const char *pid, const char *name, int uid, int socket_uid, int inode,
                 const char *netns = "net:[1]", const char *cgroup = "/system.slice/openvpn.service") {
        const fs::path dir = proc_ / pid;
        for (const char *below : {"ns", "fd", "net"})
            fs::create_directories(dir / below);
        fs::create_symlink(netns, dir / "ns/net");
        fs::create_symlink("socket:[" + std::to_string(inode) + "]", dir / "fd/5");
        std::ofstream(dir / "status")
            << "Name:\t" << name << "\nUid:\t" << uid << '\t' << uid << '\t' << uid << '\t' << uid << '\n';
        std::ofstream(dir / "cgroup") << "0::" << cgroup << '\n';
        std::ofstream(dir / "net/udp")
            << "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
               "inode\n"
            << "  74: 00000000:04AA 00000000:0000 07 00000000:00000000 00:00000000 00000000     "
            << socket_uid << "        0 " << inode << " 2 0000000000000000 0\n";
    }

    fs::path proc_;
    Policy policy_;
};

TEST_F(RootSockets, ToldOfADaemonThatDroppedToItsUserLater) {
    EXPECT_THAT(root_sockets(policy_, proc_),
                ElementsAre(testing::AllOf(HasSubstr("\"openvpn\" (pid 4711)"),
                                           HasSubstr("--vpn-cgroup system.slice/openvpn.service"))));
}

TEST_F(RootSockets, NotOfOneThatWasStartedAsItsUser) {
    fs::remove_all(proc_ / "4711");
    process("4711", "openvpn", 105, 105, 900);
    EXPECT_THAT(root_sockets(policy_, proc_), IsEmpty());
}

TEST_F(RootSockets, NotOfAnotherUserOrNamespaceNorOfACoveredCgroup) {
    policy_.vpn_cgroups.push_back({"system.slice", 1, 1});
    EXPECT_THAT(root_sockets(policy_, proc_), IsEmpty());
    policy_.vpn_cgroups = {{"/sys/fs/cgroup/system.slice/openvpn.service", 1, 2}};
    EXPECT_THAT(root_sockets(policy_, proc_), IsEmpty());
    policy_.vpn_cgroups = {{"system.slice/other.service", 1, 2}};
    EXPECT_EQ(root_sockets(policy_, proc_).size(), 1u);
    policy_.vpn_cgroups.clear();
    fs::remove_all(proc_ / "4711");
    process("4712", "sshd", 106, 0, 901);
    process("4713", "openvpn", 105, 0, 902, "net:[2]");
    EXPECT_THAT(root_sockets(policy_, proc_), IsEmpty());
}

TEST_F(RootSockets, OpenvpnAsRootIsToldToo) {
    fs::remove_all(proc_ / "4711");
    process("4714", "openvpn", 0, 0, 903);
    EXPECT_EQ(root_sockets(policy_, proc_).size(), 1u);
    policy_.vpn_users.clear();
    EXPECT_THAT(root_sockets(policy_, proc_), IsEmpty());
}

} // namespace
} // namespace lk
