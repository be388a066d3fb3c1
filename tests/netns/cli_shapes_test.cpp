// SPDX-License-Identifier: MIT
// Everything that changes what attach loads and where it hooks it, in every combination: kind of hook, kind
// of device, the guards of security modules; and over each of them the policies that are only rows: families,
// strict, lockdown, identities. Each is loaded on every kernel, guards, and leaves nothing.
#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using testing::ElementsAre;

namespace {

struct Shape {
    const char *hook;
    bool ethernet; // else a device without link headers
    bool locked;
};

std::string name_of(const testing::TestParamInfo<Shape> &each) {
    return fmt::format("{}_{}{}", each.param.hook, each.param.ethernet ? "l2" : "l3",
                       each.param.locked ? "_locked" : "");
}

// Rows only: over a filter that is there, nothing is loaded for them.
const std::vector<std::vector<std::string>> policies = {
    {"--gw", "198.51.100.7"},
    {"--gw", "2001:db8:100::7"},
    {"--gw", "198.51.100.7:1194/udp", "--gw", "2001:db8:100::/64", "--dns", "10.42.0.1", "--dns",
     "2001:db8:42::1"},
    {"--strict", "--vpn-user", "10105", "--gw", "198.51.100.7:1194/udp", "--gw",
     "[2001:db8:100::7]:1194/udp"},
    {"--strict", "--vpn-mark", "7/0xff", "--gw", "198.51.100.7/esp", "--no-lan", "--no-multicast"},
    {"--gw", "198.51.100.7", "--nat64", "64:ff9b::/96", "--lan-names", "--pppoe", "--action", "drop"},
    {"--lockdown"},
};

class CliShapes : public testing::TestWithParam<Shape> {};

} // namespace

TEST_P(CliShapes, LoadsGuardsAndLeavesNothing) {
    const auto [hook, ethernet, locked] = GetParam();
    if (std::string_view(hook) == "tcx" && !kernel_has_tcx()) GTEST_SKIP() << "no tcx (6.6)";
    CliWorld world("shapes");
    const std::string device = ethernet ? "eth0" : "l3";
    if (!ethernet) {
        const std::vector<std::string> add = {"ip",   "link",  "add",      "l3",     "type",
                                              "ipip", "local", "10.7.1.2", "remote", "10.7.1.1"};
        if (run(add, {.netns = world.host().fd()}).status != 0) GTEST_SKIP() << "no ipip devices";
        world.host().ip("link set l3 addrgenmode none\nlink set l3 up\naddr add 10.8.0.2/24 dev l3");
    }
    for (const auto &policy : policies) {
        std::vector<std::string> words = {device, "--hook", hook, "--no-follow"};
        if (locked) words.push_back("--lock-sockets");
        words.insert(words.end(), policy.begin(), policy.end());
        const Output attached = world.attach(words);
        if (locked && attached.status == static_cast<int>(lk::Exit::unsupported)) {
            EXPECT_TRUE(pins().empty()) << "refused, and something is there";
            GTEST_SKIP() << attached.err;
        }
        ASSERT_EQ(attached.status, 0) << fmt::format("{}\n", fmt::join(words, " ")) << attached.err;
        EXPECT_THAT(world.guarded(), ElementsAre(device));
        const auto status = world.status();
        EXPECT_EQ(status["uplinks"][0]["hook"], hook) << status.dump(1);
        EXPECT_EQ(status["socket_hooks"].size(), 10u) << status.dump(1);
        if (locked) {
            EXPECT_NE(status["guards"].dump().find("sockets"), std::string::npos) << status.dump(1);
        }
        if (ethernet) {
            EXPECT_FALSE(world.leaks()) << fmt::format("{}", fmt::join(words, " "));
        }
    }
    EXPECT_EQ(world.leakbpf({"detach", "--all"}).status, 0);
    EXPECT_TRUE(pins().empty()) << fmt::format("{}", fmt::join(pins(), "\n"));
    if (ethernet) {
        EXPECT_TRUE(world.leaks()) << "after detach";
    }
}

INSTANTIATE_TEST_SUITE_P(Every, CliShapes,
                         testing::Values(Shape{"tcx", true, false}, Shape{"tcx", true, true},
                                         Shape{"tcx", false, false}, Shape{"clsact", true, false},
                                         Shape{"clsact", true, true}, Shape{"clsact", false, false}),
                         name_of);
