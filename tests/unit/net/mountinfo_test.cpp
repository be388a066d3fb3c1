// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "net/mountinfo.h"

namespace lk {
namespace {

struct Case {
    const char *what, *text;
    std::vector<Mount> mounts;
};

const std::vector<Case> cases{
    {"nothing", "", {}},
    {"a unified layout",
     "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
     {{0, 28, "/", "/sys/fs/cgroup", "cgroup2"}}},
    {"a hybrid layout, no optional fields",
     "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
     "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
     {{0, 37, "/", "/sys/fs/cgroup/systemd", "cgroup"}, {0, 38, "/", "/sys/fs/cgroup/unified", "cgroup2"}}},
    {"several optional fields",
     "41 31 0:38 / /c rw shared:1 master:2 propagate_from:3 - cgroup2 none rw\n",
     {{0, 38, "/", "/c", "cgroup2"}}},
    {"a part of the hierarchy",
     "41 31 0:38 /docker/ab /c rw - cgroup2 none rw\n",
     {{0, 38, "/docker/ab", "/c", "cgroup2"}}},
    {"a part outside of the cgroup namespace",
     "41 31 0:38 /../x /c rw - cgroup2 none rw\n",
     {{0, 38, "/../x", "/c", "cgroup2"}}},
    {"escapes",
     "41 31 0:38 / /a\\040b\\011c\\012d\\134e rw - cgroup2 none rw\n",
     {{0, 38, "/", "/a b\tc\nd\\e", "cgroup2"}}},
    {"an escaped escape is not read twice",
     "41 31 0:38 / /a\\134040 rw - cgroup2 none rw\n",
     {{0, 38, "/", "/a\\040", "cgroup2"}}},
    {"what only looks like an escape",
     "41 31 0:38 / /a\\04 rw - cgroup2 none rw\n",
     {{0, 38, "/", "/a\\04", "cgroup2"}}},
    {"a mount point named like the separator",
     "41 31 0:38 / /a/-/b rw - cgroup2 none rw\n",
     {{0, 38, "/", "/a/-/b", "cgroup2"}}},
    {"a source named like a type", "41 31 0:38 / /c rw - tmpfs cgroup2 rw\n", {{0, 38, "/", "/c", "tmpfs"}}},
    {"a last line without an end", "41 31 254:1 / / rw - ext4 /dev/vda1 rw", {{254, 1, "/", "/", "ext4"}}},
    {"lines that are none",
     "\n41\n41 31 0:x / /c rw - cgroup2 none rw\n41 31 038 / /c rw - cgroup2 none rw\n41 31 0:38 / /c rw\n - "
     "- -\n",
     {}},
};

TEST(Mountinfo, Table) {
    for (const Case &one : cases) {
        const auto mounts = parse_mountinfo(one.text);
        EXPECT_EQ(mounts, one.mounts) << one.what;
    }
}

TEST(Mountinfo, EveryPieceOfALineIsSafe) {
    const std::string line = "41 31 0:38 / /a\\040b rw shared:1 - cgroup2 none rw\n";
    for (std::size_t length = 0; length <= line.size(); ++length)
        EXPECT_LE(parse_mountinfo(line.substr(0, length)).size(), 1u);
}

} // namespace
} // namespace lk
