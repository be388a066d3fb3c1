// SPDX-License-Identifier: MIT
// The follower: what changes on the machine takes effect without a new attach, and when it is killed the last
// policy holds.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "kernel/clsact.h"
#include "kernel/rtnl.h"
#include "net/monitor.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using testing::Contains;
using testing::ElementsAre;

namespace {

class CliFollower : public testing::Test {
  protected:
    CliFollower() : world_("fol") {}
    void SetUp() override {
        const Output attached = world_.attach();
        ASSERT_EQ(attached.status, 0) << attached.err;
        pid_ = world_.follower();
        ASSERT_GT(pid_, 0);
    }
    bool guards(const std::string &name) {
        return eventually([&] { return testing::Value(world_.guarded(), Contains(name)); });
    }

    Output tc(std::vector<std::string> words) {
        words.insert(words.begin(), "tc");
        return run(words, {.netns = world_.host().fd()});
    }
    void attach_by_clsact() {
        ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
        ASSERT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7", "--hook", "clsact"}).status, 0);
        pid_ = world_.follower();
    }
    bool filter_there() {
        bool found = false;
        world_.host().inside([&] {
            const auto rtnl = lk::Rtnl::open();
            const auto filters =
                rtnl ? rtnl->filters(world_.host().ifindex("eth0"), lk::clsact_egress) : rtnl.error();
            found = filters && std::ranges::any_of(*filters, lk::is_named_ours);
        });
        return found;
    }
    // That the follower has used.
    double cpu_seconds() const {
        std::ifstream stat("/proc/" + std::to_string(pid_) + "/stat");
        std::string word;
        double user = 0, system = 0;
        for (int field = 1; field < 14 && stat >> word; ++field) {
        }
        stat >> user >> system;
        return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
    }

    CliWorld world_;
    pid_t pid_ = 0;
};

} // namespace

TEST_F(CliFollower, TakesInANewAddress) {
    world_.host().ip(
        "addr add 10.8.0.2/24 dev eth0\nneigh replace 10.8.0.1 lladdr 02:00:00:07:01:01 dev eth0");
    EXPECT_TRUE(eventually([&] { return world_.passes("10.8.0.1", "10.8.0.2"); }));
    world_.host().ip("addr del 10.8.0.2/24 dev eth0");
    world_.host().sysctl("ipv4/ip_nonlocal_bind", "1");
    EXPECT_TRUE(eventually([&] { return !world_.passes("10.8.0.1", "10.8.0.2", "eth0"); }));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliFollower, TakesInANewTunnelPrefix) {
    // A tunnel's prefix is no LAN, also where the uplink's own prefix covers it.
    world_.host().ip("neigh replace 10.7.1.77 lladdr 02:00:00:07:01:01 dev eth0");
    ASSERT_TRUE(eventually([&] { return world_.passes("10.7.1.77", nullptr, "eth0"); }));
    world_.host().ip("tuntap add dev tun0 mode tun\nlink set tun0 up\naddr add 10.7.1.77/32 dev tun0");
    EXPECT_TRUE(eventually([&] { return !world_.passes("10.7.1.77", "10.7.1.2", "eth0"); }));
}

// Whoever puts a policy into force tells the follower, but may be killed before it does.
TEST_F(CliFollower, HearsOfAPolicyThatNobodyToldItOf) {
    ASSERT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7", "--no-follow"}).status, 0);
    const auto put = world_.status()["epoch"];
    EXPECT_TRUE(eventually([&] { return world_.status()["epoch"] != put; }));
}
TEST_F(CliFollower, GuardsAnUplinkThatIsDeletedAndMadeAgain) {
    world_.host().ip("link del eth0");
    EXPECT_TRUE(eventually([&] { return world_.guarded().empty(); }));
    world_.plug("eth0", 1);
    world_.host().ip("route add default via 10.7.1.1 dev eth0");
    EXPECT_TRUE(guards("eth0"));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(eventually([&] { return world_.gateway_reached(); }));
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
}

TEST_F(CliFollower, KeepsAnUplinkThatIsRenamed) {
    world_.host().ip("link set eth0 down\nlink set eth0 name wan9\nlink set wan9 up\n"
                     "neigh replace 10.7.1.1 lladdr 02:00:00:07:01:01 dev wan9 nud permanent\n"
                     "route replace default via 10.7.1.1 dev wan9");
    EXPECT_TRUE(guards("wan9"));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(eventually([&] { return world_.gateway_reached(); }));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliFollower, GuardsAnUplinkThatIsPluggedIn) {
    world_.plug("eth1", 2);
    world_.host().ip(
        "route add default via 10.7.2.1 dev eth1 metric 1\nroute add 203.0.113.200 via 10.7.2.1 dev eth1");
    EXPECT_TRUE(guards("eth1"));
    EXPECT_FALSE(world_.passes("203.0.113.200"));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(eventually([&] { return world_.gateway_reached(); })); // by eth1 now
    // Only detach opens: without its default route it would be a veth to containers.
    // The address comes after it, so that the follower has seen both when it passes.
    world_.host().ip("route del default dev eth1\naddr add 10.8.0.2/24 dev eth0\n"
                     "neigh replace 10.8.0.1 lladdr 02:00:00:07:01:01 dev eth0");
    EXPECT_TRUE(eventually([&] { return world_.passes("10.8.0.1", "10.8.0.2"); }));
    EXPECT_THAT(world_.guarded(), ElementsAre("eth0", "eth1"));
    EXPECT_FALSE(world_.passes("203.0.113.200"));
    ASSERT_EQ(world_.leakbpf({"detach", "eth1"}).status, 0);
    EXPECT_THAT(world_.guarded(), ElementsAre("eth0"));
    EXPECT_TRUE(world_.passes("203.0.113.200"));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliFollower, TellsHowLongNewUplinksHadNoHook) {
    EXPECT_EQ(world_.status()["new_uplinks"]["count"], 0);
    for (int round = 1; round <= 3; ++round) {
        const std::string name = fmt::format("eth{}", round);
        world_.plug(name, 1 + round);
        world_.host().ip(
            fmt::format("route add default via 10.7.{0}.1 dev {1} metric 50{0}", 1 + round, name));
        ASSERT_TRUE(guards(name));
        EXPECT_TRUE(eventually([&] { return world_.status()["new_uplinks"]["count"] == round; }));
    }
    const auto told = world_.status()["new_uplinks"];
    EXPECT_GT(told["p50_us"], 0) << told;
    EXPECT_GE(told["p99_us"], told["p50_us"]) << told;
    EXPECT_LT(told["p99_us"], 5'000'000) << told;
    EXPECT_THAT(world_.leakbpf({"status"}).out, testing::HasSubstr("new uplinks: 3 had their hook after"));
    // One that is only put back is not new.
    for (const std::string &pin : pins())
        if (pin.find("/links/uplink-") != pin.npos) std::filesystem::remove(pin);
    EXPECT_TRUE(eventually([&] { return world_.guarded().size() == 4; }, 15s));
    EXPECT_EQ(world_.status()["new_uplinks"]["count"], 3);
}

// A re-attach while nothing follows must not let go of an uplink that lost its name and its route.
TEST_F(CliFollower, AttachHoldsWhatIsGuarded) {
    kill(pid_, SIGKILL);
    world_.plug("eth1", 2);
    world_.host().ip("route add default via 10.7.2.1 dev eth1 metric 500\nlink set eth0 down\n"
                     "link set eth0 name wan9\nlink set wan9 up\n"
                     "neigh replace 10.7.1.1 lladdr 02:00:00:07:01:01 dev wan9 nud permanent\n"
                     "route add 203.0.113.0/24 via 10.7.1.1 dev wan9");
    ASSERT_EQ(world_.attach({"eth1", "--gw", "198.51.100.8"}).status, 0);
    EXPECT_THAT(world_.guarded(), ElementsAre("wan9", "eth1"));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliFollower, OnlyLeavesNewUplinksAlone) {
    ASSERT_EQ(world_.attach({"eth0", "--only", "--gw", "198.51.100.7"}).status, 0);
    world_.plug("eth1", 2);
    world_.host().ip("route add default via 10.7.2.1 dev eth1 metric 500");
    EXPECT_TRUE(eventually([&] { return world_.status()["unguarded"].size() == 1u; }));
    EXPECT_THAT(world_.guarded(), ElementsAre("eth0"));
}

TEST_F(CliFollower, PutsBackAHookThatSomebodyTookOff) {
    attach_by_clsact();
    ASSERT_FALSE(world_.leaks());
    kill(pid_, SIGSTOP); // it would be too fast
    ASSERT_EQ(tc({"qdisc", "del", "dev", "eth0", "clsact"}).status, 0);
    EXPECT_TRUE(world_.leaks()); // what it is about
    kill(pid_, SIGCONT);
    EXPECT_TRUE(eventually([&] { return !world_.leaks(); }, 15s));
    // What is sent while the queue from before the hook is emptied goes with it.
    EXPECT_TRUE(eventually([&] { return world_.gateway_reached(); }));
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
    const auto uplinks = world_.status()["uplinks"];
    ASSERT_EQ(uplinks.size(), 1u) << uplinks;
    EXPECT_EQ(uplinks[0]["hook"], "clsact");
    EXPECT_TRUE(uplinks[0]["ahead"].empty()) << uplinks;
    // The qdisc is ours now, and goes with us.
    ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
    EXPECT_THAT(tc({"qdisc", "show", "dev", "eth0"}).out, testing::Not(testing::HasSubstr("clsact")));
}

// The kernel tells at once, so that nobody waits for the follower's next look, which is every 5 s.
TEST_F(CliFollower, PutsAClsactHookBackAtOnce) {
    attach_by_clsact();
    ASSERT_TRUE(eventually([&] { return filter_there(); }));
    std::optional<lk::Monitor> events;
    world_.host().inside([&] {
        auto opened = lk::Monitor::open();
        if (opened) events.emplace(*std::move(opened));
    });
    ASSERT_TRUE(events);
    const auto put_back = [&](const std::vector<std::string> &remove) {
        EXPECT_EQ(tc(remove).status, 0);
        const auto gone = std::chrono::steady_clock::now();
        while (!filter_there() && std::chrono::steady_clock::now() < gone + 15s) {
            pollfd waiting{.fd = events->fd(), .events = POLLIN, .revents = 0};
            poll(&waiting, 1, 1000);
            EXPECT_TRUE(events->handle());
        }
        EXPECT_TRUE(filter_there()) << remove[0];
        return std::chrono::steady_clock::now() - gone;
    };
    std::vector<double> took_ms;
    const auto began = std::chrono::steady_clock::now();
    for (int round = 0; round < 5; ++round)
        for (const auto &remove : {std::vector<std::string>{"qdisc", "del", "dev", "eth0", "clsact"},
                                   std::vector<std::string>{"filter", "del", "dev", "eth0", "egress"}})
            took_ms.push_back(std::chrono::duration<double, std::milli>(put_back(remove)).count());
    const auto in_all = std::chrono::steady_clock::now() - began;
    std::ranges::sort(took_ms);
    std::puts(fmt::format("a hook in clsact is back after {:.1f} ms (median of 10), {:.1f} ms at most",
                          took_ms[5], took_ms.back())
                  .c_str());
    EXPECT_LT(in_all, 15s); // ten looks are 50 s
    EXPECT_FALSE(world_.leaks());
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
}

// Each filter that somebody adds is told to the follower, and a look takes the longer the more there are.
// What it costs is printed.
TEST_F(CliFollower, AFloodOfFiltersDoesNotKeepItFromItsWork) {
    attach_by_clsact();
    std::string lines;
    for (int i = 0; i < 2000; ++i)
        lines += fmt::format("filter add dev eth0 egress pref {} protocol ip u32 match ip dst 192.0.2.1 "
                             "flowid 1:1\n",
                             100 + i);
    const double before = cpu_seconds();
    const auto began = std::chrono::steady_clock::now();
    const Output added =
        run({"tc", "-batch", "-"}, {.netns = world_.host().fd(), .input = lines, .timeout = 120s});
    ASSERT_EQ(added.status, 0) << added.err;
    const double cpu = cpu_seconds() - before;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::puts(fmt::format("2,000 filters in {:.2f} s cost the follower {:.2f} s", took.count(), cpu).c_str());
    ASSERT_EQ(tc({"qdisc", "del", "dev", "eth0", "clsact"}).status, 0);
    EXPECT_TRUE(eventually([&] { return filter_there(); }));
    EXPECT_FALSE(world_.leaks());
}

// A socket hook's link is gone with its pin, as after `rm` or a cleaner of the bpffs.
TEST_F(CliFollower, PutsBackASocketHookThatSomebodyTookOff) {
    const auto alive = [&](const std::string &name) {
        const auto json = world_.status();
        for (const auto &hook : json.value("socket_hooks", nlohmann::json::array()))
            if (hook["name"] == name) return hook["alive"] == true;
        return false;
    };
    for (const std::string &pin : pins())
        if (pin.ends_with("/cgroup-setsockopt") || pin.ends_with("/cgroup-sock_create")) {
            ASSERT_TRUE(std::filesystem::remove(pin)) << pin;
        }
    ASSERT_FALSE(alive("setsockopt"));
    EXPECT_EQ(world_.leakbpf({"status"}).status, static_cast<int>(Exit::weakened));
    EXPECT_TRUE(eventually([&] { return alive("setsockopt") && alive("sock_create"); }, 15s));
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
    EXPECT_EQ(world_.follower(), pid_);
}

TEST_F(CliFollower, KilledTheFilterGoesOnAndAttachStartsAnother) {
    kill(pid_, SIGKILL);
    EXPECT_TRUE(eventually([&] { return world_.follower() == 0; }));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(world_.gateway_reached());
    const Output status = world_.leakbpf({"status"});
    EXPECT_EQ(status.status, 0);
    EXPECT_THAT(status.out, testing::HasSubstr("no follower lives"));
    ASSERT_EQ(world_.attach().status, 0);
    EXPECT_NE(world_.follower(), pid_);
    EXPECT_GT(world_.follower(), 0);
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliFollower, EndsOnSigtermAndThePolicyHolds) {
    kill(pid_, SIGTERM);
    EXPECT_TRUE(eventually([&] { return world_.follower() == 0; }));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliFollower, TheSecondIsRefusedAndAttachKeepsTheFirst) {
    const Output second = world_.leakbpf({"follow"});
    EXPECT_EQ(second.status, static_cast<int>(Exit::busy));
    ASSERT_EQ(world_.attach({"eth0", "--gw", "198.51.100.8"}).status, 0);
    EXPECT_EQ(world_.follower(), pid_);
    // It goes by the new policy.
    world_.plug("eth1", 2);
    world_.host().ip(
        "route add 198.51.100.8 via 10.7.2.1 dev eth1\nroute add default via 10.7.2.1 dev eth1 metric 9");
    EXPECT_TRUE(guards("eth1"));
    EXPECT_TRUE(eventually([&] { return world_.passes("198.51.100.8"); }));
}

TEST_F(CliFollower, EndsByItselfWhenTheStateIsGone) {
    for (int round = 0; round < 3; ++round) // what somebody removes by hand
        run({"rm", "-rf", Sandbox::current().bpffs() + "/leakbpf"});
    EXPECT_TRUE(eventually([&] { return kill(pid_, 0) != 0; }));
    EXPECT_EQ(world_.leakbpf({"detach", "--all"}).status, 0);
}

TEST_F(CliFollower, StandsAlone) {
    const std::string proc = "/proc/" + std::to_string(pid_);
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), "/");
    EXPECT_EQ(std::filesystem::read_symlink(proc + "/fd/0"), "/dev/null");
    std::ifstream stat(proc + "/stat");
    std::string pid, name, state;
    int parent = 0, group = 0, session = 0;
    stat >> pid >> name >> state >> parent >> group >> session;
    EXPECT_EQ(session, pid_);
    EXPECT_EQ(name, "(leakbpf)");
}

TEST(CliNoFollow, LeavesNoProcess) {
    CliWorld world("nofol");
    ASSERT_EQ(world.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"}).status, 0);
    EXPECT_EQ(world.follower(), 0);
    EXPECT_FALSE(world.leaks());
}
