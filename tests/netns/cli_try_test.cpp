// SPDX-License-Identifier: MIT
// attach --try and keep: a policy that nobody confirms goes back by itself, whatever became of the terminal,
// the attach and the follower; and going back opens nothing that was guarded before.
#include <signal.h>
#include <sys/stat.h>

#include <fstream>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "leakbpf/abi.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

std::string least() {
    return std::to_string(least_time().count());
}
std::chrono::seconds patience() {
    return least_time() + 15s;
}

class CliTry : public testing::Test {
  protected:
    CliTry() : world_("try") { least(); }
    Output attach(const std::vector<std::string> &args) { return world_.attach(args); }
    Output try_lockdown(const std::string &seconds = least()) {
        return attach({"eth0", "--lockdown", "--try", seconds});
    }
    // A policy that lets 198.51.100.7 through, to go back to.
    void attach_before() { ASSERT_EQ(attach({"eth0", "--gw", "198.51.100.7"}).status, 0); }
    nlohmann::json trial() const { return world_.status().value("trial", nlohmann::json()); }
    bool all_off() {
        return eventually([&] { return pins() == none && processes() == none; }, patience()) &&
               world_.leaks();
    }
    bool back_to_before() {
        return eventually([&] { return world_.gateway_reached(); }, patience());
    }
    std::string gate() const { return world_.status().value("gate", ""); }
    void kill_follower() {
        const pid_t pid = world_.follower();
        ASSERT_GT(pid, 0);
        kill(pid, SIGKILL);
        ASSERT_TRUE(eventually([&] { return world_.follower() == 0; }));
    }
    std::vector<std::string> words(const std::vector<std::string> &args) const {
        const Sandbox &sandbox = Sandbox::current();
        std::vector<std::string> all{leakbpf_binary(), "--netns",       world_.host().path(), "--bpffs",
                                     sandbox.bpffs(),  "--cgroup-root", sandbox.cgroup_root()};
        all.insert(all.end(), args.begin(), args.end());
        return all;
    }

    mutable CliWorld world_;
};

} // namespace

TEST_F(CliTry, TakesAFreshPolicyOffAtTheDeadline) {
    const Output tried = try_lockdown();
    ASSERT_EQ(tried.status, 0) << tried.err;
    EXPECT_THAT(tried.out, HasSubstr("ON TRIAL: "));
    EXPECT_THAT(tried.out, HasSubstr("everything is taken off"));
    EXPECT_FALSE(world_.leaks());
    const auto told = trial();
    ASSERT_TRUE(told.is_object()) << told;
    EXPECT_LE(told["seconds_left"], least_time().count());
    EXPECT_EQ(told["takes_all_off"], true);
    EXPECT_THAT(world_.leakbpf({"status"}).out, HasSubstr("leakbpf keep makes it stay"));
    EXPECT_TRUE(all_off());
}

TEST_F(CliTry, KeepMakesItStay) {
    ASSERT_EQ(try_lockdown().status, 0);
    const Output kept = world_.leakbpf({"--json", "keep"});
    ASSERT_EQ(kept.status, 0) << kept.err;
    EXPECT_EQ(nlohmann::json::parse(kept.out)["kept"], true);
    EXPECT_TRUE(trial().is_null());
    const Output twice = world_.leakbpf({"keep"});
    EXPECT_EQ(twice.status, static_cast<int>(Exit::no_trial));
    EXPECT_THAT(twice.err, HasSubstr("no policy is on trial"));
    // Another one that is not kept is over by the time that the first would have been.
    CliWorld other("try-other");
    ASSERT_EQ(other.attach({"eth0", "--lockdown", "--try", least()}).status, 0);
    ASSERT_TRUE(eventually([&] { return other.leaks(); }, patience()));
    EXPECT_FALSE(world_.leaks());
    EXPECT_THAT(world_.guarded(), ElementsAre("eth0"));
}

TEST_F(CliTry, GoesBackToThePolicyBeforeAndOpensNothing) {
    attach_before();
    world_.plug("eth1", 2);
    world_.host().ip("route add 203.0.113.200 via 10.7.2.1 dev eth1");
    const Output tried = attach({"eth0", "eth1", "--lockdown", "--try", least()});
    ASSERT_EQ(tried.status, 0) << tried.err;
    EXPECT_THAT(tried.out, HasSubstr("the policy before comes back"));
    EXPECT_EQ(trial()["takes_all_off"], false);
    EXPECT_FALSE(world_.gateway_reached());
    EXPECT_FALSE(world_.passes("203.0.113.200"));
    while (!world_.gateway_reached() && trial().is_object())
        ASSERT_FALSE(world_.leaks());
    ASSERT_TRUE(back_to_before());
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(trial().is_null());
    EXPECT_TRUE(eventually([&] { return world_.passes("203.0.113.200"); })) << "it was open before";
    EXPECT_TRUE(eventually([&] { return world_.guarded() == std::vector<std::string>{"eth0"}; }));
    EXPECT_GT(world_.follower(), 0);
    const Output late = world_.leakbpf({"keep"});
    EXPECT_EQ(late.status, static_cast<int>(Exit::no_trial));
    EXPECT_THAT(late.err, HasSubstr("has gone back"));
}

// The shell that ran attach and attach itself are killed as soon as it reported, with the whole group.
TEST_F(CliTry, TheTerminalDies) {
    const std::string log = Sandbox::current().dir() + "/try.log";
    for (const int number : {SIGHUP, SIGKILL}) {
        std::ofstream(log).flush();
        std::string line = "set -m; ";
        for (const std::string &word : words({"attach", "eth0", "--lockdown", "--try", least()}))
            line += "'" + word + "' ";
        Background shell({"setsid", "sh", "-c", line + "; sleep 60"}, {}, log);
        ASSERT_TRUE(eventually([&] { return contents(log).find("follower: pid") != std::string::npos; }, 20s))
            << contents(log);
        kill(-shell.pid(), number);
        shell.end(number);
        EXPECT_FALSE(world_.leaks());
        EXPECT_TRUE(all_off()) << "signal " << number;
    }
}

// Killed at any moment: what is in force is on trial and has somebody to take it back.
TEST_F(CliTry, AttachIsKilledAtAnyMoment) {
    for (int round = 0; round < 4; ++round) {
        const std::string log = Sandbox::current().dir() + "/try-kill.log";
        Background attach(words({"attach", "eth0", "--lockdown", "--try", least()}), {}, log);
        // The moment at which the policy is there, and the ones around it.
        eventually([&] { return !attach.alive() || !pins().empty(); });
        if (round % 2 != 0) eventually([&] { return !attach.alive() || !world_.leaks(); });
        attach.end(SIGKILL);
        if (!world_.leaks()) {
            EXPECT_TRUE(eventually([&] { return world_.leaks(); }, patience())) << "round " << round;
        }
        ASSERT_EQ(world_.leakbpf({"detach", "--all"}).status, 0);
        EXPECT_TRUE(eventually([] { return processes() == none; }));
    }
}

// Killed before its policy was in force: the follower that it started for the trial does not stay.
TEST_F(CliTry, AFollowerOfNothingEnds) {
    attach_before();
    kill_follower();
    std::string pin;
    for (const std::string &path : pins())
        if (path.ends_with("/maps/lk_word")) pin = path;
    ASSERT_EQ(run({"bpftool", "map", "update", "pinned", pin, "key", "0", "0", "0", "0", "value", "0", "0",
                   "0", "0", std::to_string(LK_ABI_VERSION), "0", "0", "0"})
                  .status,
              0);
    const Output follow = world_.leakbpf({"follow"});
    EXPECT_EQ(follow.status, static_cast<int>(Exit::failure)) << follow.err;
    EXPECT_THAT(follow.err, HasSubstr("no policy is in force"));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliTry, WithoutAFollowerItStaysClosedUntilOneComes) {
    ASSERT_EQ(try_lockdown().status, 0);
    kill_follower();
    const Output status = world_.leakbpf({"status"});
    EXPECT_EQ(status.status, static_cast<int>(Exit::weakened));
    EXPECT_THAT(status.out, HasSubstr("WEAKNESS: the policy is on trial and no follower lives"));
    ASSERT_TRUE(eventually([&] { return trial()["seconds_left"] == 0; }, patience()));
    EXPECT_FALSE(world_.leaks());
    EXPECT_THAT(world_.leakbpf({"status"}).out, HasSubstr("its time is over"));
    const Output late = world_.leakbpf({"keep"});
    EXPECT_EQ(late.status, static_cast<int>(Exit::no_trial));
    EXPECT_THAT(late.err, HasSubstr("leakbpf follow"));
    EXPECT_FALSE(world_.leaks());
    Background follow(words({"follow"}), {}, Sandbox::current().dir() + "/try-follow.log");
    EXPECT_TRUE(eventually([&] { return world_.leaks(); }, patience()));
    EXPECT_TRUE(eventually([&] { return !follow.alive(); }));
    EXPECT_TRUE(all_off());
}

TEST_F(CliTry, AFollowerThatIsReplacedKeepsTheDeadline) {
    attach_before();
    ASSERT_EQ(try_lockdown().status, 0);
    kill_follower();
    Background follow(words({"follow"}), {}, Sandbox::current().dir() + "/try-again.log");
    ASSERT_TRUE(eventually([&] { return world_.follower() > 0; }));
    ASSERT_TRUE(trial().is_object());
    EXPECT_TRUE(back_to_before());
    EXPECT_FALSE(world_.leaks());
    follow.end(SIGTERM);
}

TEST_F(CliTry, AttachDuringATrialDoesNotConfirmIt) {
    attach_before();
    ASSERT_EQ(try_lockdown().status, 0);
    const Output over = attach({"eth0", "--gw", "203.0.113.9"});
    ASSERT_EQ(over.status, 0) << over.err;
    EXPECT_THAT(over.out, HasSubstr("ON TRIAL: "));
    EXPECT_TRUE(world_.leaks()); // which it allows
    EXPECT_TRUE(back_to_before());
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(trial().is_null());
}

TEST_F(CliTry, ATrialOverATrialHasANewDeadlineAndGoesBackAllTheWay) {
    attach_before();
    ASSERT_EQ(try_lockdown("600").status, 0);
    ASSERT_GT(trial()["seconds_left"], least_time().count());
    ASSERT_EQ(attach({"eth0", "--gw", "203.0.113.9", "--try", least()}).status, 0);
    EXPECT_LE(trial()["seconds_left"], least_time().count());
    EXPECT_TRUE(back_to_before());
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliTry, AttachOverOneThatIsOverdueTakesItsPlace) {
    ASSERT_EQ(try_lockdown().status, 0);
    kill_follower();
    ASSERT_TRUE(eventually([&] { return trial()["seconds_left"] == 0; }, patience()));
    ASSERT_EQ(attach({"eth0", "--gw", "198.51.100.7"}).status, 0);
    EXPECT_TRUE(trial().is_null());
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliTry, DetachEndsIt) {
    ASSERT_EQ(try_lockdown("600").status, 0);
    ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
    EXPECT_TRUE(all_off());
    const Output keep = world_.leakbpf({"keep"});
    EXPECT_EQ(keep.status, static_cast<int>(Exit::not_attached));
}

// What is detached during a trial does not come back with the policy before.
TEST_F(CliTry, DetachOfOneUplinkHoldsAfterIt) {
    world_.plug("eth1", 2);
    world_.host().ip("route add 198.51.100.200 via 10.7.2.1 dev eth1\n"
                     "route add 203.0.113.200 via 10.7.2.1 dev eth1");
    ASSERT_EQ(attach({"eth0", "eth1", "--gw", "198.51.100.7"}).status, 0);
    ASSERT_EQ(attach({"eth0", "eth1", "--lockdown", "--try", least()}).status, 0);
    ASSERT_EQ(world_.leakbpf({"detach", "eth1"}).status, 0);
    EXPECT_TRUE(trial().is_object());
    EXPECT_TRUE(back_to_before());
    EXPECT_THAT(world_.guarded(), ElementsAre("eth0"));
    EXPECT_TRUE(world_.passes("203.0.113.200"));
    EXPECT_FALSE(world_.leaks());
}

// The second gate is the policy's in force: the trial's goes with it, and lets go of what it guarded.
TEST_F(CliTry, LeavesNoGateBehind) {
    ASSERT_EQ(attach({"eth0", "--gw", "198.51.100.7", "--only"}).status, 0);
    EXPECT_EQ(gate(), "none");
    ASSERT_EQ(attach({"--all-uplinks", "--lockdown", "--try", least()}).status, 0);
    EXPECT_NE(gate(), "none");
    world_.plug("eth1", 2);
    world_.host().ip(
        "route add 203.0.113.200 via 10.7.2.1 dev eth1\nroute add default via 10.7.2.1 dev eth1 metric 9");
    EXPECT_TRUE(eventually([&] { return testing::Value(world_.guarded(), Contains("eth1")); }));
    EXPECT_TRUE(eventually([&] { return trial().is_null(); }, patience()));
    EXPECT_TRUE(eventually([&] { return gate() == "none"; }));
    for (const std::string &pin : pins())
        EXPECT_EQ(pin.find("/links/gate-"), std::string::npos) << pin;
    EXPECT_THAT(world_.guarded(), ElementsAre("eth0"));
    EXPECT_TRUE(world_.passes("203.0.113.200"));
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliTry, PutsTheGateBack) {
    attach_before();
    const std::string before = gate();
    EXPECT_NE(before, "none");
    ASSERT_EQ(attach({"eth0", "--lockdown", "--only", "--try", least()}).status, 0);
    EXPECT_EQ(gate(), "none");
    EXPECT_TRUE(back_to_before());
    EXPECT_TRUE(eventually([&] { return gate() == before; }));
    const pid_t follower = world_.follower();
    ASSERT_GT(follower, 0);
    ASSERT_EQ(kill(follower, SIGSTOP), 0);
    world_.plug("eth1", 2);
    world_.host().ip("route replace default via 10.7.2.1 dev eth1");
    EXPECT_FALSE(world_.leaks());
    EXPECT_EQ(kill(follower, SIGCONT), 0);
}

// With every uplink there will be, and none yet.
TEST_F(CliTry, OfAllUplinks) {
    world_.host().ip("link del eth0");
    ASSERT_EQ(attach({"--all-uplinks", "--lockdown", "--try", least()}).status, 0);
    world_.plug("eth1", 2);
    world_.host().ip("route replace default via 10.7.2.1 dev eth1");
    ASSERT_TRUE(eventually([&] { return testing::Value(world_.guarded(), Contains("eth1")); }));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(all_off());
}

TEST_F(CliTry, ApplyDuringATrialDoesNotConfirmIt) {
    attach_before();
    ASSERT_EQ(try_lockdown().status, 0);
    const std::string config = Sandbox::current().dir() + "/try.toml";
    std::ofstream(config) << "[[scope]]\ninterfaces = [\"eth0\"]\ngateways = [\"203.0.113.9\"]\n";
    const Output applied = world_.leakbpf({"apply", "--config", config});
    ASSERT_EQ(applied.status, 0) << applied.err;
    EXPECT_THAT(applied.out, HasSubstr("ON TRIAL: "));
    EXPECT_TRUE(back_to_before());
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliTry, KeepWithoutATrial) {
    EXPECT_EQ(world_.leakbpf({"keep"}).status, static_cast<int>(Exit::not_attached));
    attach_before();
    const Output keep = world_.leakbpf({"keep"});
    EXPECT_EQ(keep.status, static_cast<int>(Exit::no_trial));
    EXPECT_THAT(keep.err, HasSubstr("stays until detach"));
}

// Nothing to go back to that could be read: nothing is changed.
TEST_F(CliTry, IsRefusedOverAPolicyThatCannotBeRead) {
    attach_before();
    kill_follower();
    for (const std::string &pin : pins())
        if (pin.find("/document-") != std::string::npos) {
            ASSERT_TRUE(std::filesystem::remove(pin));
        }
    const Output tried = try_lockdown();
    EXPECT_EQ(tried.status, static_cast<int>(Exit::failure));
    EXPECT_THAT(tried.err, HasSubstr("--try: the policy in force cannot be read"));
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_FALSE(world_.leaks());
}
