// SPDX-License-Identifier: MIT
// Attached and detached over and over, nothing of ours stays behind. An executable of its own, because it
// takes its time.
#include <gmock/gmock.h>

#include "netns/cli_world.h"

using namespace lk::harness;

namespace {

// Ids of all BPF objects of a kind that carry our prefix: the kernel's own list, whoever holds them.
std::string objects(const char *kind) {
    const Output output = run({"bpftool", "--json", kind, "show"});
    std::string found;
    const auto list = nlohmann::json::parse(output.out, nullptr, false);
    EXPECT_TRUE(list.is_array()) << output.out << output.err;
    for (const auto &object : list)
        if (object.is_object() && object.value("name", "").starts_with("lk_"))
            found += object["name"].get<std::string>() + ' ' + object["id"].dump() + '\n';
    return found;
}

} // namespace

TEST(CliRounds, TwoHundredLeaveNothing) {
    CliWorld world("rounds");
    for (int round = 0; round < 200; ++round) {
        const Output attached = world.attach();
        ASSERT_EQ(attached.status, 0) << round << ": " << attached.err;
        const Output detached = world.leakbpf({"detach"});
        ASSERT_EQ(detached.status, 0) << round << ": " << detached.err;
    }
    EXPECT_EQ(pins(), none);
    EXPECT_EQ(processes(), none);
    EXPECT_TRUE(world.leaks());
    EXPECT_EQ(run({"tc", "filter", "show", "dev", "eth0", "egress"}, {.netns = world.host().fd()}).out, "");
    // Maps of ours whose ids are older than this test's own may belong to tests that run beside it.
    ASSERT_EQ(world.attach().status, 0);
    const auto status = world.status();
    const auto program = status["uplinks"][0]["program_id"].dump();
    EXPECT_NE(objects("prog").find(' ' + program + '\n'), std::string::npos);
    ASSERT_EQ(world.leakbpf({"detach"}).status, 0);
    EXPECT_TRUE(eventually([&] { return objects("prog").find(' ' + program + '\n') == std::string::npos; }));
}
