// SPDX-License-Identifier: MIT
#include "kernel/socket_cgroups.h"

#include <gtest/gtest.h>

namespace lk {
namespace {

TEST(SocketCgroups, TheHierarchyThatTakesTheirPlace) {
    EXPECT_EQ(forgetting_hierarchy("0::/system.slice/a.service\n"), "");
    EXPECT_EQ(forgetting_hierarchy("12:cpu,cpuacct:/\n3:net_cls,net_prio:/docker/a:b\n0::/\n"),
              "net_cls,net_prio");
    EXPECT_EQ(forgetting_hierarchy("4:net_prio:/\n0::/"), "net_prio");
    EXPECT_EQ(forgetting_hierarchy("4:net_cls:/\n"), "net_cls");
    EXPECT_EQ(forgetting_hierarchy("1:name=net_cls:/\n0::/net_cls/x,net_prio,\n"), "");
    EXPECT_EQ(forgetting_hierarchy(""), "");
}

} // namespace
} // namespace lk
