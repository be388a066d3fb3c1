// SPDX-License-Identifier: MIT
// SIGKILL at random moments, pins that are broken, and two at once: old policy, new policy or closed, and the
// next one goes on.
#include <fmt/format.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>

#include "kernel/kernel_maps.h"
#include "kernel/swept_mark.h"
#include "netns/state_world.h"

using namespace lk;
using namespace lk::harness;

namespace fs = std::filesystem;

namespace {

constexpr const char *never_allowed = "198.51.100.99";

class Victim {
  public:
    // A child that runs BODY in the host's namespace, again and again if it likes.
    Victim(StateWorld &world, const std::function<void()> &body) : child_(fork()) {
        if (child_ != 0) return;
        try {
            world.inside(body);
            _exit(0);
        } catch (const std::exception &error) {
            fmt::print(stderr, "victim: {}\n", error.what());
            _exit(1);
        }
    }
    // False: it had come to its end before.
    bool kill_after(std::chrono::microseconds delay) {
        usleep(static_cast<useconds_t>(delay.count()));
        kill(child_, SIGKILL);
        int status = 0;
        waitpid(child_, &status, 0);
        return WIFSIGNALED(status);
    }
    int wait() {
        int status = 0;
        waitpid(child_, &status, 0);
        return status;
    }

  private:
    pid_t child_;
};

std::mt19937 &dice() {
    static std::mt19937 engine{[] {
        const auto seed = std::random_device{}();
        fmt::print("seed {}\n", seed);
        return seed;
    }()};
    return engine;
}

std::chrono::microseconds up_to(std::chrono::microseconds most) {
    return std::chrono::microseconds{std::uniform_int_distribution<long>(0, most.count())(dice())};
}

std::vector<Address> with_others(const std::string &gateway) {
    auto gateways = many_gateways(3000);
    gateways.push_back(Address::parse(gateway).value());
    return gateways;
}

} // namespace

TEST(StateCrash, InTheMiddleOfCommit) {
    StateWorld world{"commit"};
    { const auto state = attached_state(world, gateway_text); }
    unsigned flips = 0;
    for (int round = 0; round < 40; ++round) {
        Victim victim{world, [&] {
                          const auto lock = must(Lock::take(world.place(), 5s));
                          auto state = must(State::open_or_create(world.place()));
                          for (const char *gateway = gateway_text;;
                               gateway = gateway == gateway_text ? other_text : gateway_text) {
                              auto image = image_for(world.uplink(), with_others(gateway));
                              image.gateway_sets.push_back(
                                  image_for(0, with_others(other_text)).gateway_sets.front());
                              image.gateway_sets.back().hosts.pop_back();
                              must(state.commit(image, document_named(gateway)));
                              image.gateway_sets.pop_back(); // another table, and no id is spent
                              must(state.commit(image, document_named(gateway)));
                          }
                      }};
        ASSERT_TRUE(victim.kill_after(up_to(150ms)));
        world.inside([&] {
            const auto state = must(State::find(world.place()));
            ASSERT_TRUE(state);
            const auto name = name_of(must(state->document()));
            flips += name == other_text ? 1 : 0;
            EXPECT_EQ(world.passes(gateway_text), name == gateway_text) << "epoch " << state->epoch();
            EXPECT_EQ(world.passes(other_text), name == other_text) << "epoch " << state->epoch();
            EXPECT_FALSE(world.passes(never_allowed));
            const Pins pins{world.place().directory()};
            const auto maps = must(KernelMaps::open(pins.maps()));
            EXPECT_TRUE(!is_swept(pins, maps.epoch(), maps.next_id()) || maps.gw.free_number());
        });
    }
    EXPECT_GT(flips, 0u);
    world.inside([&] {
        const auto lock = must(Lock::take(world.place(), 5s));
        auto state = must(State::open_or_create(world.place()));
        must(state.commit(image_for(world.uplink(), gateway_text), document_named("end")));
        unsigned documents = 0;
        for (const auto &entry : fs::directory_iterator(world.place().directory()))
            documents += entry.path().filename().string().starts_with("document-") ? 1 : 0;
        EXPECT_EQ(documents, 1u);
    });
    EXPECT_TRUE(world.passes(gateway_text));
    EXPECT_FALSE(world.passes("10.0.0.1"));
    remove_all(world);
}

TEST(StateCrash, InTheMiddleOfMakingAndRemoving) {
    StateWorld world{"make"};
    std::set<BpfObject> seen;
    unsigned killed = 0;
    for (int round = 0; round < 25; ++round) {
        Victim victim{world, [&] {
                          for (;;) {
                              {
                                  const auto lock = must(Lock::take(world.place(), 5s));
                                  auto state = must(State::open_or_create(world.place()));
                                  must(state.attach_cgroup_hooks());
                                  must(state.commit(image_for(world.uplink(), gateway_text),
                                                    document_named(gateway_text)));
                                  must(state.attach_uplink(world.uplink(), HookKind::automatic));
                              }
                              const auto lock = must(Lock::take(world.place(), 5s));
                              must(State::remove_all(world.place()));
                          }
                      }};
        killed += victim.kill_after(up_to(1500ms)) ? 1 : 0;
        if (fs::exists(world.place().directory())) seen.merge(pinned_objects(world.place().directory()));
        world.inside([&] {
            const auto lock = must(Lock::take(world.place(), 5s));
            if (round % 2 == 0) return must(State::remove_all(world.place()));
            auto state = must(State::open_or_create(world.place()));
            must(state.attach_cgroup_hooks());
            must(state.commit(image_for(world.uplink(), gateway_text), document_named(gateway_text)));
            must(state.attach_uplink(world.uplink(), HookKind::automatic));
            must(State::remove_others(world.place()));
            EXPECT_EQ(must(state.uplink_hooks()).size(), 1u);
            for (const auto &hook : must(state.cgroup_hooks()))
                EXPECT_TRUE(hook.alive) << hook.name;
        });
        EXPECT_EQ(world.passes(never_allowed), round % 2 == 0) << "round " << round;
        EXPECT_TRUE(world.passes(gateway_text)) << "round " << round;
    }
    EXPECT_EQ(killed, 25u);
    remove_all(world);
    EXPECT_TRUE(remaining(seen).empty());
    EXPECT_TRUE(world.passes(never_allowed));
    EXPECT_FALSE(fs::exists(world.place().bpffs + "/leakbpf"));
}

// Each way to break the pins of a working filter: the uplink is never open while it is mended.
class StateBroken : public testing::TestWithParam<std::pair<const char *, const char *>> {};

TEST_P(StateBroken, IsMendedWithoutAGap) {
    StateWorld world{"broken"};
    { const auto state = attached_state(world, gateway_text); }
    const auto broken = pinned_objects(world.place().directory());
    const auto directory = world.place().directory();
    ASSERT_EQ(run({"sh", "-c", fmt::format("cd {} && {}", directory, GetParam().second)}).status, 0);
    EXPECT_FALSE(world.passes(never_allowed));
    world.inside([&] {
        const auto lock = must(Lock::take(world.place(), 5s));
        (void)must(State::find(world.place()));
        auto state = must(State::open_or_create(world.place()));
        EXPECT_FALSE(world.passes(never_allowed));
        must(state.attach_cgroup_hooks());
        must(state.commit(image_for(world.uplink(), other_text), document_named(other_text)));
        EXPECT_FALSE(world.passes(never_allowed));
        must(state.attach_uplink(world.uplink(), HookKind::automatic));
        EXPECT_FALSE(world.passes(never_allowed));
        must(State::remove_others(world.place()));
        EXPECT_FALSE(world.passes(never_allowed));
        EXPECT_FALSE(world.passes(gateway_text));
        EXPECT_TRUE(world.passes(other_text));
        const auto hooks = must(state.uplink_hooks());
        ASSERT_EQ(hooks.size(), 1u);
        EXPECT_TRUE(hooks[0].ours_alive);
        EXPECT_TRUE(hooks[0].ahead.empty());
        EXPECT_TRUE(hooks[0].behind.empty());
        for (const auto &hook : must(state.cgroup_hooks()))
            EXPECT_TRUE(hook.alive) << hook.name;
    });
    const auto mended = pinned_objects(directory);
    remove_all(world);
    EXPECT_TRUE(remaining(broken).empty());
    EXPECT_TRUE(remaining(mended).empty());
    EXPECT_TRUE(world.passes(never_allowed));
}

TEST_P(StateBroken, IsRemovedWhole) {
    StateWorld world{"gone"};
    { const auto state = attached_state(world, gateway_text); }
    const auto broken = pinned_objects(world.place().directory());
    ASSERT_EQ(
        run({"sh", "-c", fmt::format("cd {} && {}", world.place().directory(), GetParam().second)}).status,
        0);
    remove_all(world);
    EXPECT_TRUE(remaining(broken).empty());
    EXPECT_TRUE(world.passes(never_allowed));
    EXPECT_FALSE(fs::exists(world.place().bpffs + "/leakbpf"));
}

INSTANTIATE_TEST_SUITE_P(
    Pins, StateBroken,
    testing::Values(
        std::pair{"NoPrograms", "rm -r progs"}, std::pair{"OneProgramMissing", "rm progs/lk_connect6"},
        std::pair{"UplinkProgramMissing", "rm progs/lk_egress"},
        std::pair{"ProgramThatIsAMap", "rm progs/lk_egress && bpftool map create progs/lk_egress type array "
                                       "key 4 value 4 entries 1 name x"},
        std::pair{"OneMapMissing", "rm maps/lk_gw"}, std::pair{"NoMaps", "rm -r maps"},
        std::pair{"WordMissing", "rm maps/lk_word"},
        std::pair{"WordOfAnother",
                  "rm maps/lk_word && bpftool map create maps/lk_word type array key 4 value 8 "
                  "entries 1 name lk_word flags 0x400"},
        std::pair{"MapOfAnotherShape", "rm maps/lk_devs && bpftool map create maps/lk_devs type array key 4 "
                                       "value 8 entries 1 name lk_devs"},
        std::pair{"MapOfAnotherSize",
                  "rm maps/lk_gw progs/build && bpftool map create maps/lk_gw type hash key 20 "
                  "value 28 entries 7 name lk_gw flags 1"},
        std::pair{"CounterOfIdsMissing", "rm maps/lk_ids"}, std::pair{"NoDocument", "rm document-1"},
        std::pair{"AnotherBuild", "rm progs/build"},
        std::pair{"HalfMade", "mv progs progs-new && rm progs-new/lk_connect4"}),
    [](const auto &given) { return given.param.first; });

TEST(StateLock, OneWaitsOrIsRefused) {
    StateWorld world{"lock"};
    // Forked before there is a lock, which it would inherit and hold against itself.
    const std::string go = Sandbox::current().dir() + "/lock-go";
    Victim waiter{world, [&] {
                      if (!eventually([&] { return fs::exists(go); }, 20s)) throw std::runtime_error("no go");
                      auto lock = must(Lock::take(world.place(), 10s));
                      auto state = must(State::open_or_create(world.place()));
                      must(state.commit(image_for(world.uplink(), gateway_text), document_named("waiter")));
                  }};
    auto first = std::make_optional(must(Lock::take(world.place(), 1s)));
    const auto begin = std::chrono::steady_clock::now();
    const auto refused = Lock::take(world.place(), 100ms);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit, Exit::busy);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
    std::ofstream(go).flush();
    // The directory that the other waits for goes away under him.
    world.inside([&] { must(State::remove_all(world.place())); });
    first.reset();
    EXPECT_EQ(waiter.wait(), 0);
    world.inside([&] {
        const auto state = must(State::find(world.place()));
        ASSERT_TRUE(state);
        EXPECT_EQ(name_of(must(state->document())), "waiter");
    });
    remove_all(world);
}

TEST(StateLock, LeavesNoEmptyDirectory) {
    StateWorld world{"empty"};
    { const auto lock = must(Lock::take(world.place(), 1s)); }
    EXPECT_FALSE(fs::exists(world.place().bpffs + "/leakbpf"));
    world.inside([&] { EXPECT_FALSE(must(State::find(world.place()))); });
}

TEST(StateLock, DoesNotTrustADirectoryOfSomebodyElse) {
    StateWorld world{"theirs"};
    const auto root = world.place().bpffs + "/leakbpf";
    fs::create_directory(root);
    ASSERT_EQ(chown(root.c_str(), 12345, 12345), 0);
    const auto refused = Lock::take(world.place(), 100ms);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit, Exit::permission);
    EXPECT_NE(refused.error().message.find(root), std::string::npos);
    fs::remove(root);
}
