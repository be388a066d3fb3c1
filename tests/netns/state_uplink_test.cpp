// SPDX-License-Identifier: MIT
// The uplink hook: what it lets out, how it is attached, and that nothing of it stays.
#include <algorithm>
#include <filesystem>

#include "harness/kernel.h"
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

bool has_clsact(StateWorld &world) {
    const auto shown = run({"tc", "qdisc", "show", "dev", "up0"}, {.netns = world.host().fd()});
    return shown.out.find("clsact") != std::string::npos;
}

} // namespace

class StateUplink : public testing::TestWithParam<HookKind> {
  protected:
    void SetUp() override {
        if (GetParam() == HookKind::tcx && !kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    }
};

TEST_P(StateUplink, LetsOutWhatTheCommittedPolicyAllowsAndNoMore) {
    StateWorld world{"up"};
    ASSERT_TRUE(world.passes(gateway_text));
    ASSERT_TRUE(world.passes(other_text));
    {
        auto state = attached_state(world, gateway_text, GetParam());
        EXPECT_TRUE(world.passes(gateway_text));
        EXPECT_FALSE(world.passes(other_text));
        world.inside(
            [&] { must(state.commit(image_for(world.uplink(), other_text), document_named("two"))); });
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
    EXPECT_FALSE(std::filesystem::exists(world.place().bpffs + "/leakbpf"));
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

TEST_P(StateUplink, MakingAndRemovingLeavesNothing) {
    StateWorld world{"made"};
    std::set<BpfObject> seen;
    for (int round = 0; round < 5; ++round) {
        {
            const auto state = attached_state(world, gateway_text, GetParam());
            seen.merge(pinned_objects(world.place().directory()));
        }
        remove_all(world);
        ASSERT_FALSE(std::filesystem::exists(world.place().directory())) << "round " << round;
    }
    EXPECT_GE(seen.size(), 5u * 20u);
    EXPECT_TRUE(remaining(seen).empty()) << remaining(seen).front();
    EXPECT_TRUE(world.passes(other_text));
    EXPECT_FALSE(has_clsact(world));
}

TEST_P(StateUplink, AttachAndDetach200TimesLeavesNothing) {
    StateWorld world{"again"};
    {
        auto state = attached_state(world, gateway_text, GetParam());
        const auto links = world.place().directory() + "/links";
        std::set<BpfObject> seen;
        for (int round = 0; round < 200; ++round)
            world.inside([&] {
                must(state.attach_uplink(world.uplink(), GetParam()));
                seen.merge(pinned_objects(links));
                must(state.detach_uplink(world.uplink()));
            });
        world.inside([&] { EXPECT_TRUE(must(state.uplink_hooks()).empty()); });
        // The socket hooks stay; a tcx link is another one each time.
        const auto now = pinned_objects(links);
        EXPECT_EQ(now.size(), socket_hooks);
        for (const auto &object : now)
            seen.erase(object);
        EXPECT_EQ(seen.size(), GetParam() == HookKind::tcx ? 200u : 1u);
        if (GetParam() == HookKind::tcx) {
            EXPECT_TRUE(remaining(seen).empty());
        }
        EXPECT_FALSE(has_clsact(world));
        EXPECT_TRUE(world.passes(other_text));
    }
    remove_all(world);
}

// What waited in a slow queue before the attach must not leave after it, and the queue's rules stay.
TEST_P(StateUplink, EmptiesTheQueueAndKeepsItsRules) {
    StateWorld world{"queue"};
    const auto tc = [&](const std::string &arguments) {
        const auto output = run({"sh", "-c", "tc " + arguments}, {.netns = world.host().fd()});
        EXPECT_EQ(output.status, 0) << output.err;
        return output.out;
    };
    tc("qdisc add dev up0 root handle 7: tbf rate 16kbit burst 1600 limit 60000");
    // Making a clsact qdisc empties the queue by itself, so it is there before.
    if (GetParam() == HookKind::clsact) tc("qdisc add dev up0 clsact");
    const auto before = tc("qdisc show dev up0 root");
    for (int i = 0; i < 20; ++i)
        world.send(other_text, std::string(500, 'x'));
    ASSERT_NE(tc("-s qdisc show dev up0 root").find("backlog"), std::string::npos);
    ASSERT_EQ(tc("-s qdisc show dev up0 root").find("backlog 0b"), std::string::npos);
    { auto state = attached_state(world, gateway_text, GetParam()); }
    EXPECT_NE(tc("-s qdisc show dev up0 root").find("backlog 0b 0p"), std::string::npos);
    EXPECT_EQ(tc("qdisc show dev up0 root"), before);
    remove_all(world);
}

TEST(StateUplinkQueue, OneWithClassesIsLeftAndTold) {
    StateWorld world{"htb"};
    const auto tc = [&](const std::string &arguments) {
        return run({"sh", "-c", "tc " + arguments}, {.netns = world.host().fd()});
    };
    ASSERT_EQ(tc("qdisc add dev up0 root handle 7: htb default 1").status, 0);
    ASSERT_EQ(tc("class add dev up0 parent 7: classid 7:1 htb rate 1mbit").status, 0);
    const auto before = tc("qdisc show dev up0 root").out;
    world.inside([&] {
        const auto lock = must(Lock::take(world.place(), 5s));
        auto state = must(State::open_or_create(world.place()));
        const auto notice = must(state.attach_uplink(world.uplink(), HookKind::automatic));
        ASSERT_TRUE(notice);
        EXPECT_NE(notice->find("htb"), std::string::npos) << *notice;
        EXPECT_FALSE(must(state.attach_uplink(world.uplink(), HookKind::automatic))) << "told once";
    });
    EXPECT_EQ(tc("qdisc show dev up0 root").out, before);
    remove_all(world);
}

TEST_P(StateUplink, ADeviceMadeAgainIsAttachedAgain) {
    StateWorld world{"device"};
    auto state = attached_state(world, gateway_text, GetParam());
    const int first = world.uplink();
    world.host().ip("link set up0 down\nlink set up0 name renamed0\nlink set renamed0 up");
    world.inside([&] {
        EXPECT_FALSE(must(state.attach_uplink(first, GetParam())));
        const auto hooks = must(state.uplink_hooks());
        ASSERT_EQ(hooks.size(), 1u);
        EXPECT_TRUE(hooks[0].ours_alive);
    });
    world.host().ip("link del renamed0");
    world.host().ip("link add up0 type veth peer name far1 netns lk-device-far");
    EXPECT_NE(world.uplink(), first);
    world.inside([&] {
        auto hooks = must(state.uplink_hooks());
        ASSERT_EQ(hooks.size(), 1u);
        EXPECT_FALSE(hooks[0].ours_alive);
        must(state.attach_uplink(world.uplink(), GetParam()));
        must(state.detach_uplink(first));
        hooks = must(state.uplink_hooks());
        ASSERT_EQ(hooks.size(), 1u);
        EXPECT_TRUE(hooks[0].ours_alive);
        EXPECT_EQ(hooks[0].ifindex, world.uplink());
        EXPECT_FALSE(state.attach_uplink(99999, GetParam())) << "no such device";
    });
    state = attached_state(world, gateway_text, GetParam());
    remove_all_closing(world, std::move(state));
}

// A process that holds an older State, as the follower does, when another one puts newer programs in place.
TEST(StateRefresh, AnOlderStateTakesUpWhatIsThereNow) {
    StateWorld world{"newer"};
    auto older = attached_state(world, gateway_text);
    ASSERT_EQ(run({"rm", world.place().directory() + "/progs/build"}).status, 0);
    auto newer = attached_state(world, other_text);
    world.inside([&] {
        const auto id = must(newer.uplink_hooks()).at(0).program_id;
        must(older.commit(image_for(world.uplink(), gateway_text), document_named("older")));
        must(older.attach_uplink(world.uplink(), HookKind::automatic));
        must(older.attach_cgroup_hooks());
        const auto hook = must(newer.uplink_hooks()).at(0);
        EXPECT_TRUE(hook.ours_alive);
        EXPECT_EQ(hook.program_id, id);
        EXPECT_TRUE(hook.behind.empty());
        for (const auto &socket_hook : must(newer.cgroup_hooks()))
            EXPECT_TRUE(socket_hook.alive);
    });
    EXPECT_TRUE(world.passes(gateway_text));
    EXPECT_FALSE(world.passes(other_text));
    { const auto closed = std::move(newer); }
    // And one whose state was removed does not bring a part of it back.
    world.inside([&] {
        const auto removed = State::remove_all(world.place());
        EXPECT_FALSE(removed) << "the older State still holds its programs open";
        const auto refused = older.commit(image_for(world.uplink(), gateway_text), document_named("late"));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().exit, Exit::not_attached);
        EXPECT_FALSE(older.attach_uplink(world.uplink(), HookKind::automatic));
    });
    EXPECT_FALSE(std::filesystem::exists(world.place().directory()));
}

TEST(StateUplinkKind, ChangesWithoutAGap) {
    if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    StateWorld world{"kind"};
    auto state = attached_state(world, gateway_text, HookKind::clsact);
    const auto kind = [&] { return must(state.uplink_hooks()).at(0).attachment; };
    EXPECT_FALSE(state.uplink_hooks()) << "in another namespace the same ifindex is another device";
    EXPECT_FALSE(State::remove_all(world.place()));
    world.inside([&] {
        ASSERT_EQ(kind(), Attachment::clsact);
        must(state.attach_uplink(world.uplink(), HookKind::automatic));
        EXPECT_EQ(kind(), Attachment::clsact) << "a living hook is left as it is";
        must(state.attach_uplink(world.uplink(), HookKind::tcx));
        EXPECT_EQ(kind(), Attachment::tcx);
        EXPECT_EQ(must(state.uplink_hooks()).size(), 1u);
    });
    EXPECT_FALSE(has_clsact(world));
    EXPECT_FALSE(world.passes(other_text));
    world.inside([&] {
        must(state.attach_uplink(world.uplink(), HookKind::clsact));
        EXPECT_EQ(kind(), Attachment::clsact);
        EXPECT_EQ(must(state.uplink_hooks()).size(), 1u);
    });
    EXPECT_FALSE(world.passes(other_text));
    remove_all_closing(world, std::move(state));
    EXPECT_FALSE(has_clsact(world));
}

INSTANTIATE_TEST_SUITE_P(Hook, StateUplink, testing::Values(HookKind::tcx, HookKind::clsact),
                         [](const auto &given) { return given.param == HookKind::tcx ? "tcx" : "clsact"; });
