// SPDX-License-Identifier: MIT
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/cgroup_layout.h"
#include "net/device_facts.h"

namespace lk {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char *v1 = "30 23 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
constexpr const char *v2 = "31 23 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

TEST(CgroupLayout, ByWhatIsMounted) {
    using Kind = CgroupLayout::Kind;
    EXPECT_EQ(cgroup_layout_in("").kind, Kind::none);
    EXPECT_EQ(cgroup_layout_in(v1).kind, Kind::v1);
    EXPECT_EQ(cgroup_layout_in(v2).kind, Kind::v2);
    const CgroupLayout both = cgroup_layout_in(std::string(v1) + v2);
    EXPECT_EQ(both.kind, Kind::hybrid);
    EXPECT_THAT(both.v2_at, ElementsAre("/sys/fs/cgroup/unified"));
}

TEST(Netconsole, EnabledTargetsAndTheCommandLine) {
    std::string name = testing::TempDir() + "lk-netconsole-XXXXXX";
    const std::filesystem::path root = mkdtemp(name.data());
    const auto target = [&root](const char *which, const char *enabled) {
        const auto dir = root / "kernel/config/netconsole" / which;
        std::filesystem::create_directories(dir);
        std::ofstream(dir / "enabled") << enabled << '\n';
        std::ofstream(dir / "dev_name") << "eth0\n";
    };
    std::ofstream(root / "cmdline") << "quiet netconsole=@/eth0,@192.0.2.1/\n";
    std::ofstream(root / "quiet") << "quiet notnetconsole=1\n";
    std::ofstream(root / "tty") << "tty0                 -WU (EC  p  )    4:1\n";
    std::ofstream(root / "netcon") << "tty0                 -WU (EC  p  )    4:1\n"
                                   << "netcon_ext0          -W- (E     )\n";
    const auto targets = [&root](const char *line, const char *consoles = "tty") {
        return netconsole_targets(root, root / line, root / consoles);
    };
    EXPECT_THAT(targets("quiet"), IsEmpty());
    EXPECT_THAT(targets("cmdline"), ElementsAre(testing::HasSubstr("command line")));
    EXPECT_THAT(targets("quiet", "netcon"), ElementsAre(testing::HasSubstr("given to the module")));
    EXPECT_THAT(targets("cmdline", "netcon"), ElementsAre(testing::HasSubstr("command line")));
    target("off", "0");
    EXPECT_THAT(targets("quiet"), IsEmpty());
    EXPECT_THAT(targets("quiet", "netcon"), ElementsAre(testing::HasSubstr("given to the module")));
    target("on", "1");
    EXPECT_THAT(targets("quiet"), ElementsAre("on on eth0"));
    EXPECT_THAT(targets("quiet", "netcon"), ElementsAre("on on eth0"));
    std::filesystem::remove_all(root);
}

} // namespace
} // namespace lk
