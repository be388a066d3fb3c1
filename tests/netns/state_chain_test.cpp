// SPDX-License-Identifier: MIT
// Foreign programs on the uplink: who runs before ours is told.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <functional>

#include "harness/kernel.h"
#include "kernel/chain.h"
#include "kernel/programs.h"
#include "kernel/rtnl.h"
#include "kernel/tcx.h"
#include "netns/foreign_program.h"
#include "netns/state_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

UplinkHook only_hook(const State &state) {
    const auto hooks = must(state.uplink_hooks());
    if (hooks.size() != 1) throw std::runtime_error("not one hook");
    return hooks[0];
}

} // namespace

TEST(StateChain, OursGoesBeforeAForeignTcxProgram) {
    if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    StateWorld world{"behind"};
    const auto program = foreign_program(0); // TCX_PASS: ends the chain
    Fd link;
    world.inside([&] { link.reset(tcx::create_link(program.get(), world.uplink())); });
    ASSERT_TRUE(link);
    auto state = attached_state(world, gateway_text);
    world.inside([&] {
        const auto hook = only_hook(state);
        EXPECT_TRUE(hook.ahead.empty());
        ASSERT_EQ(hook.behind.size(), 1u);
        EXPECT_NE(hook.behind[0].find("\"foreign\""), std::string::npos) << hook.behind[0];
    });
    EXPECT_FALSE(world.passes(other_text));
    EXPECT_TRUE(world.passes(gateway_text));
    remove_all_closing(world, std::move(state));
}

TEST(StateChain, AForeignTcxProgramAheadIsTold) {
    if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    StateWorld world{"ahead"};
    auto state = attached_state(world, gateway_text);
    const auto program = foreign_program(0);
    Fd link;
    world.inside([&] { link.reset(tcx::create_link(program.get(), world.uplink())); });
    ASSERT_TRUE(link);
    ASSERT_TRUE(world.passes(other_text)) << "this is why it has to be told";
    world.inside([&] {
        auto hook = only_hook(state);
        EXPECT_TRUE(hook.ours_alive);
        EXPECT_TRUE(hook.behind.empty());
        ASSERT_EQ(hook.ahead.size(), 1u);
        EXPECT_NE(hook.ahead[0].find("tcx program"), std::string::npos) << hook.ahead[0];
        EXPECT_NE(hook.ahead[0].find("\"foreign\""), std::string::npos) << hook.ahead[0];
        EXPECT_FALSE(must(state.attach_uplink(world.uplink(), HookKind::automatic)));
        link.reset();
        EXPECT_TRUE(eventually([&] { return only_hook(state).ahead.empty(); }));
    });
    EXPECT_FALSE(world.passes(other_text));
    remove_all_closing(world, std::move(state));
}

// Killed after its double took the place of its pin: the next attach makes it good.
TEST(StateChain, WhoDiesWhileHePutsItFirstLeavesItWhole) {
    if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    StateWorld world{"died"};
    auto state = attached_state(world, gateway_text);
    const Pins pins{world.place().directory()};
    world.inside([&] {
        const auto double_of_ours = must(load_uplink_again(pins));
        const Fd link{tcx::create_link(double_of_ours.get(), world.uplink())};
        ASSERT_EQ(bpf_obj_pin(link.get(), pins.new_tcx_link(world.uplink()).c_str()), 0);
        EXPECT_EQ(state.front_place(world.uplink()), FrontPlace::behind);
        must(state.put_first(world.uplink())); // died before the rename
        EXPECT_EQ(state.front_place(world.uplink()), FrontPlace::first);
    });
    world.inside([&] {
        const auto double_of_ours = must(load_uplink_again(pins));
        const Fd link{tcx::create_link(double_of_ours.get(), world.uplink())};
        must(remove_pin(pins.tcx_link(world.uplink())));
        ASSERT_EQ(bpf_obj_pin(link.get(), pins.tcx_link(world.uplink()).c_str()), 0);
    });
    EXPECT_FALSE(world.passes(other_text)); // died after it
    world.inside([&] {
        must(state.attach_uplink(world.uplink(), HookKind::automatic));
        const auto hook = only_hook(state);
        EXPECT_TRUE(hook.ours_alive);
        EXPECT_TRUE(hook.ahead.empty());
        EXPECT_TRUE(hook.behind.empty());
    });
    EXPECT_FALSE(world.passes(other_text));
    EXPECT_TRUE(world.passes(gateway_text));
    remove_all_closing(world, std::move(state));
}

TEST(StateChain, WithClsactEveryTcxProgramAndEveryLowerFilterIsAhead) {
    if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    StateWorld world{"mixed"};
    const auto tc = [&](const std::string &arguments) {
        const auto output = run({"sh", "-c", "tc " + arguments}, {.netns = world.host().fd()});
        EXPECT_EQ(output.status, 0) << output.err;
    };
    // Priority 1 is taken by another kind of filter, so ours can only come after it.
    tc("qdisc add dev up0 clsact");
    tc("filter add dev up0 egress pref 1 protocol ip u32 match ip dst 192.0.2.1 flowid 1:1");
    auto state = attached_state(world, gateway_text, HookKind::clsact);
    const auto program = foreign_program(-1);
    Fd link;
    world.inside([&] {
        link.reset(tcx::create_link(program.get(), world.uplink()));
        tc("filter add dev up0 egress pref 9 protocol ip u32 match ip dst 192.0.2.2 flowid 1:1");
        const auto hook = only_hook(state);
        EXPECT_TRUE(hook.ours_alive);
        EXPECT_EQ(hook.attachment, Attachment::clsact);
        ASSERT_GE(hook.ahead.size(), 2u);
        EXPECT_NE(hook.ahead[0].find("tcx program"), std::string::npos);
        EXPECT_NE(hook.ahead[1].find("clsact pref 1 u32"), std::string::npos) << hook.ahead[1];
        ASSERT_FALSE(hook.behind.empty());
        EXPECT_NE(hook.behind[0].find("clsact pref 9 u32"), std::string::npos) << hook.behind[0];
    });
    EXPECT_FALSE(world.passes(other_text));
    tc("qdisc del dev up0 clsact");
    world.inside([&] {
        EXPECT_FALSE(only_hook(state).ours_alive);
        must(state.attach_uplink(world.uplink(), HookKind::clsact));
        EXPECT_TRUE(only_hook(state).ours_alive);
    });
    EXPECT_FALSE(world.passes(other_text));
    remove_all_closing(world, std::move(state));
}

// Filters of others at lower priorities than ours would get; those at the same one, or higher, are behind.
TEST(StateChain, WhoWouldBeAheadAtClsactIsKnownBefore) {
    StateWorld world{"foreseen"};
    const auto tc = [&](const std::string &arguments) {
        const auto output = run({"sh", "-c", "tc " + arguments}, {.netns = world.host().fd()});
        EXPECT_EQ(output.status, 0) << output.err;
    };
    const std::string u32 = " protocol ip u32 match ip dst 192.0.2.1 flowid 1:1";
    const auto program = foreign_program(-1);
    const auto put_program = [&](unsigned priority) {
        world.inside([&] {
            LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = world.uplink(), .attach_point = BPF_TC_EGRESS);
            LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program.get(), .handle = 1, .priority = priority);
            EXPECT_EQ(bpf_tc_attach(&hook, &options), 0);
        });
    };
    const std::vector<std::pair<std::function<void()>, bool>> ways{
        {[&] { tc("filter add dev up0 egress pref 3" + u32); }, false},
        {[&] { tc("filter add dev up0 egress pref 1" + u32); }, true},
        {[&] { put_program(1); }, false},
        {[&] { tc("filter add dev up0 egress pref 1" + u32), put_program(2); }, true},
        {[&] { tc("filter add dev up0 egress pref 2" + u32), put_program(7); }, false}};
    for (const auto &[others, ahead] : ways) {
        tc("qdisc add dev up0 clsact");
        others();
        UplinkHook nobody{world.uplink(), Attachment::none, 0, false, {}, {}};
        world.inside([&] { EXPECT_TRUE(read_chain(nobody)); });
        EXPECT_EQ(!nobody.ahead.empty(), ahead);
        auto state = attached_state(world, gateway_text, HookKind::clsact);
        world.inside([&] {
            EXPECT_EQ(only_hook(state).ahead, nobody.ahead);
            EXPECT_EQ(only_hook(state).behind, nobody.behind);
        });
        remove_all_closing(world, std::move(state));
        tc("qdisc del dev up0 clsact");
    }
}

TEST(StateChain, AForeignClsactStaysWhenOursGoes) {
    StateWorld world{"shared"};
    const auto tc = [&](const std::string &arguments) {
        return run({"sh", "-c", "tc " + arguments}, {.netns = world.host().fd()}).out;
    };
    tc("qdisc add dev up0 clsact");
    { const auto state = attached_state(world, gateway_text, HookKind::clsact); }
    remove_all(world);
    EXPECT_NE(tc("qdisc show dev up0").find("clsact"), std::string::npos) << "it was there before us";
    EXPECT_EQ(tc("filter show dev up0 egress").find("lk_egress"), std::string::npos);
}
