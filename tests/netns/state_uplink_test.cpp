// SPDX-License-Identifier: MIT
// The uplink hook: what it lets out, how it is attached, and that nothing of it stays.
#include <algorithm>
#include <filesystem>

#include "netns/state_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

bool attached(StateWorld &world, Attachment attachment) {
    bool result = false;
    world.inside([&] {
        const auto state = must(State::find(world.place()));
        const auto hooks = must(state->uplink_hooks());
        result = hooks.size() == 1 && hooks[0].ours_alive && hooks[0].attachment == attachment &&
                 hooks[0].ifindex == world.uplink() && hooks[0].ahead.empty();
    });
    return result;
}

} // namespace

class StateUplink : public testing::TestWithParam<HookKind> {};

TEST_P(StateUplink, LetsOutWhatTheCommittedPolicyAllowsAndNoMore) {
    StateWorld world{"up"};
    ASSERT_TRUE(world.passes(gateway_text));
    ASSERT_TRUE(world.passes(other_text));
    {
        auto state = attached_state(world, gateway_text, GetParam());
        EXPECT_TRUE(world.passes(gateway_text));
        EXPECT_FALSE(world.passes(other_text));
        world.inside([&] { must(state.commit(image_for(world.uplink(), other_text), document_named("two"))); });
        EXPECT_FALSE(world.passes(gateway_text));
        EXPECT_TRUE(world.passes(other_text));
        EXPECT_EQ(name_of(must(state.document())), "two");
        EXPECT_EQ(state.epoch(), 2u);
        const auto counters = must(state.counters());
        EXPECT_GE(counters[LK_HOOK_UPLINK][LK_GATEWAY].packets, 2u);
        EXPECT_GE(counters[LK_HOOK_UPLINK][LK_NOT_ALLOWED].packets, 2u);
    }
    EXPECT_TRUE(attached(world, GetParam() == HookKind::clsact ? Attachment::clsact : Attachment::tcx));
    EXPECT_FALSE(world.passes(gateway_text)) << "the filter must go on without a State";
    remove_all(world);
    EXPECT_TRUE(world.passes(gateway_text));
    EXPECT_TRUE(std::filesystem::is_empty(world.place().bpffs + "/leakbpf") ||
                !std::filesystem::exists(world.place().bpffs + "/leakbpf"));
}

TEST_P(StateUplink, DeniesEverythingBeforeTheFirstCommit) {
    StateWorld world{"bare"};
    world.inside([&] {
        const auto lock = must(Lock::take(world.place(), 5s));
        auto state = must(State::open_or_create(world.place()));
        must(state.attach_uplink(world.uplink(), GetParam()));
    });
    EXPECT_FALSE(world.passes(gateway_text));
    remove_all(world);
}

TEST_P(StateUplink, AttachAndDetach200TimesLeavesNothing) {
    StateWorld world{"again"};
    std::set<BpfObject> seen;
    for (int round = 0; round < 200; ++round) {
        {
            const auto state = attached_state(world, gateway_text, GetParam());
            for (const auto &object : pinned_objects(world.place().directory())) seen.insert(object);
        }
        remove_all(world);
        ASSERT_FALSE(std::filesystem::exists(world.place().directory())) << "round " << round;
    }
    EXPECT_GE(seen.size(), 200u * 20u);
    EXPECT_TRUE(remaining(seen).empty()) << remaining(seen).front();
    EXPECT_TRUE(world.passes(other_text));
    EXPECT_EQ(run({"tc", "qdisc", "show", "dev", "up0"}, {.netns = world.host().fd()}).out.find("clsact"),
              std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Hook, StateUplink, testing::Values(HookKind::tcx, HookKind::clsact),
                         [](const auto &given) { return given.param == HookKind::tcx ? "tcx" : "clsact"; });
