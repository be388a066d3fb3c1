// SPDX-License-Identifier: MIT
// Another program on the uplink that is put before ours, and lets everything pass.
#include <signal.h>

#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "control/front.h"
#include "harness/kernel.h"
#include "kernel/tcx.h"
#include "net/netns.h"
#include "netns/cli_world.h"
#include "netns/foreign_program.h"

using namespace lk::harness;
using lk::Exit;
using testing::HasSubstr;

namespace {

constexpr int pass = 0; // TCX_PASS ends the chain

class CliFront : public testing::Test {
  protected:
    CliFront() : world_("front"), program_(foreign_program(pass)) {}
    void SetUp() override {
        if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    }
    void come_before() {
        link_.reset();
        world_.host().inside(
            [&] { link_.reset(lk::tcx::create_link(program_.get(), world_.host().ifindex("eth0"))); });
        ASSERT_TRUE(link_);
    }

    // The state in force and the uplink's number, in the host's namespace.
    void with_state(const std::function<void(lk::State &, int)> &body) {
        world_.host().inside([&] {
            const lk::Place place{Sandbox::current().bpffs(), Sandbox::current().cgroup_root(),
                                  *lk::netns_cookie()};
            auto found = lk::State::find(place);
            ASSERT_TRUE(found && *found);
            body(**found, world_.host().ifindex("eth0"));
        });
    }

    CliWorld world_;
    lk::Fd program_, link_;
};

} // namespace

TEST_F(CliFront, AttachAgainPutsOursFirst) {
    ASSERT_EQ(world_.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"}).status, 0);
    come_before();
    EXPECT_TRUE(world_.leaks()); // what it is about
    EXPECT_EQ(world_.leakbpf({"status"}).status, static_cast<int>(Exit::weakened));
    ASSERT_EQ(world_.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"}).status, 0);
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
    EXPECT_THAT(world_.status()["uplinks"][0]["behind"].dump(), HasSubstr("foreign"));
}

TEST_F(CliFront, TheFollowerPutsOursFirstAndTellsIt) {
    const std::string log = Sandbox::current().dir() + "/front.log";
    ASSERT_EQ(world_.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"}).status, 0);
    const Background follower({leakbpf_binary(), "--bpffs", Sandbox::current().bpffs(), "--cgroup-root",
                               Sandbox::current().cgroup_root(), "follow"},
                              {.netns = world_.host().fd()}, log);
    ASSERT_TRUE(eventually([&] { return contents(log).find("following: eth0") != std::string::npos; }));
    kill(follower.pid(), SIGSTOP); // it would be too fast
    come_before();
    EXPECT_TRUE(world_.leaks());
    EXPECT_EQ(world_.leakbpf({"status"}).status, static_cast<int>(Exit::weakened));
    kill(follower.pid(), SIGCONT);
    const auto told = [&] { return contents(log).find("ours is first again") != std::string::npos; };
    EXPECT_TRUE(eventually(told, 3s)) << contents(log); // it looks once a second
    EXPECT_THAT(contents(log), HasSubstr("\"foreign\" had come before our program"));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
}

// A link that was taken off is seen as soon; it was 5 s once.
TEST_F(CliFront, ALinkThatWasTakenOffIsBackWithinTwoSeconds) {
    ASSERT_EQ(world_.attach().status, 0);
    const pid_t follower = world_.follower();
    for (int round = 0; round < 3; ++round) {
        // One that is stopped while it looks has the link open, which then lives on.
        EXPECT_TRUE(eventually([&] {
            kill(follower, SIGSTOP);
            for (const std::string &pin : pins())
                if (pin.find("/uplink-") != std::string::npos) std::filesystem::remove(pin);
            if (world_.leaks()) return true;
            kill(follower, SIGCONT);
            return false;
        }));
        kill(follower, SIGCONT);
        EXPECT_TRUE(eventually([&] { return !world_.leaks(); }, 2s)) << round;
    }
}

// Under load: nothing forbidden passes while it is put first, and nothing allowed is lost.
TEST_F(CliFront, ThereIsNoMomentWithoutOurs) {
    ASSERT_EQ(world_.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"}).status, 0);
    constexpr std::uint16_t port = 7777;
    const std::size_t since = world_.capture().position();
    std::atomic<bool> done = false;
    std::size_t sent = 0;
    std::thread sender([&] {
        world_.host().inside([&] {
            const lk::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            const SockAddr gateway(Ip::of("198.51.100.7"), port), other(Ip::of("203.0.113.9"), port);
            while (!done) {
                sendto(socket.get(), "no", 2, 0, other.get(), other.length); // may be told of the one before
                for (int tries = 0; tries < 3; ++tries)
                    if (sendto(socket.get(), "yes", 3, 0, gateway.get(), gateway.length) == 3) {
                        ++sent;
                        break;
                    }
                std::this_thread::sleep_for(100us);
            }
        });
    });
    program_ = foreign_program(-1); // TCX_NEXT: what is behind it judges too
    for (int round = 0; round < 10; ++round) {
        come_before();
        with_state([](lk::State &state, int eth0) {
            EXPECT_EQ(state.front_place(eth0), lk::FrontPlace::behind);
            EXPECT_TRUE(state.put_first(eth0));
            EXPECT_EQ(state.front_place(eth0), lk::FrontPlace::first);
        });
    }
    done = true;
    sender.join();
    world_.capture().settle();
    Mark allowed, forbidden;
    allowed.flow(Ip::of("198.51.100.7"), port);
    forbidden.flow(Ip::of("203.0.113.9"), port);
    EXPECT_GT(sent, 100u);
    EXPECT_EQ(world_.capture().count(allowed, since), sent);
    EXPECT_EQ(world_.capture().count(forbidden, since), 0u);
}

// Somebody who puts his program first again and again: later and later, and not for ever.
TEST_F(CliFront, AQuarrelIsBounded) {
    ASSERT_EQ(world_.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"}).status, 0);
    with_state([&](lk::State &state, int eth0) {
        const std::vector<int> uplinks{eth0};
        const lk::Topology nothing;
        lk::Front front;
        lk::Front::Clock::time_point now{};
        EXPECT_FALSE(front.disturbed(state, uplinks, now));
        std::chrono::seconds rest{2};
        for (int round = 0; round < 8; ++round) {
            come_before();
            EXPECT_TRUE(front.disturbed(state, uplinks, now)) << round;
            EXPECT_EQ(front.restore(state, uplinks, nothing, now).restored.size(), 1u) << round;
            EXPECT_EQ(state.front_place(uplinks[0]), lk::FrontPlace::first);
            come_before();
            now += rest - 1s;
            EXPECT_FALSE(front.disturbed(state, uplinks, now)) << round;
            EXPECT_EQ(front.restore(state, uplinks, nothing, now).left.size(), 1u) << round;
            now += 1s;
            rest *= 2;
        }
        now += 24h;
        EXPECT_FALSE(front.disturbed(state, uplinks, now));
        EXPECT_TRUE(front.restore(state, uplinks, nothing, now).restored.empty());
        EXPECT_EQ(state.front_place(uplinks[0]), lk::FrontPlace::behind);
        front.forget();
        EXPECT_EQ(front.restore(state, uplinks, nothing, now).restored.size(), 1u);
        // Peace: the next quarrel begins with the first rest again.
        EXPECT_FALSE(front.disturbed(state, uplinks, now + 11min));
        come_before();
        EXPECT_TRUE(front.disturbed(state, uplinks, now + 11min));
    });
}

TEST_F(CliFront, AProgramOfTcxBeforeOursInClsactIsTold) {
    ASSERT_EQ(world_.attach({"eth0", "--hook", "clsact", "--gw", "198.51.100.7"}).status, 0);
    come_before();
    const Output again = world_.attach({"eth0", "--hook", "clsact", "--gw", "198.51.100.7"});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("\"foreign\" runs before our program"));
    EXPECT_EQ(world_.leakbpf({"status"}).status, static_cast<int>(Exit::weakened));
}
