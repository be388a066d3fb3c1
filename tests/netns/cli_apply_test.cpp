// SPDX-License-Identifier: MIT
// Configurations put into force by the real program.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "netns/cli_world.h"
#include "netns/foreign_program.h"

using namespace lk::harness;
using lk::Exit;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

class CliApply : public testing::Test {
  protected:
    CliApply()
        : world_("apply"), path_(testing::TempDir() + "lk-apply-" + std::to_string(getpid()) + ".toml") {}
    ~CliApply() override { std::filesystem::remove(path_); }

    void write(const std::string &text) const { std::ofstream(path_) << text; }
    Output apply(const std::string &text, std::vector<std::string> more = {}) const {
        write(text);
        std::vector<std::string> words{"apply", "--config", path_};
        words.insert(words.end(), more.begin(), more.end());
        return world_.leakbpf(words);
    }
    bool guards(const std::string &name) {
        return eventually([&] { return testing::Value(world_.guarded(), Contains(name)); });
    }

    CliWorld world_;
    std::string path_;
};

const char *const all = "[[scope]]\ngateways = [\"198.51.100.7\"]\n";

} // namespace

TEST_F(CliApply, GuardsEveryUplinkAndThoseThatCome) {
    ASSERT_TRUE(world_.leaks());
    const Output applied = apply(all);
    ASSERT_EQ(applied.status, 0) << applied.err;
    EXPECT_THAT(applied.out, HasSubstr("guarded: eth0"));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_GT(world_.follower(), 0);
    world_.plug("eth1", 2);
    world_.host().ip("route add default via 10.7.2.1 dev eth1 metric 500");
    EXPECT_TRUE(guards("eth1"));
    ASSERT_EQ(world_.leakbpf({"detach", "eth1"}).status, 0);
    EXPECT_THAT(world_.guarded(), ElementsAre("eth0"));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliApply, TwiceIsTheSameAsOnce) {
    ASSERT_EQ(apply(all).status, 0);
    const pid_t follower = world_.follower();
    auto before = world_.status();
    const auto pinned = pins();
    ASSERT_EQ(apply(all).status, 0);
    auto after = world_.status();
    for (const char *changing : {"counters", "untold", "epoch"}) {
        before.erase(changing);
        after.erase(changing);
    }
    EXPECT_EQ(before, after);
    EXPECT_EQ(world_.follower(), follower);
    // While the follower commits, the document of before is there as well.
    EXPECT_TRUE(eventually([&] { return pins().size() <= pinned.size(); }));
}

TEST_F(CliApply, ReplacesEverythingAtOnce) {
    world_.plug("eth1", 2);
    world_.host().ip("route add 203.0.113.200 via 10.7.2.1 dev eth1\n"
                     "route add 198.51.100.200 via 10.7.2.1 dev eth1");
    ASSERT_EQ(world_.attach({"eth0", "--gw", "203.0.113.9"}).status, 0);
    ASSERT_EQ(world_.attach({"eth1", "--gw", "203.0.113.200"}).status, 0);
    ASSERT_TRUE(world_.leaks());
    const int epoch = world_.status()["epoch"];
    const Output applied =
        apply("[[scope]]\ninterfaces = [\"eth0\"]\ngateways = [\"198.51.100.7\"]\n"
              "[[scope]]\ninterfaces = [\"eth1\"]\nonly = true\ngateways = [\"198.51.100.200\"]\n");
    ASSERT_EQ(applied.status, 0) << applied.err;
    EXPECT_GT(world_.status()["epoch"], epoch);
    EXPECT_EQ(world_.status()["scopes"].size(), 2u);
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_FALSE(world_.passes("203.0.113.200"));
    EXPECT_TRUE(world_.passes("198.51.100.200"));
}

TEST_F(CliApply, AnUplinkThatIsNotThereYet) {
    const Output applied =
        apply("[[scope]]\ninterfaces = [\"eth1\"]\nonly = true\ngateways = [\"198.51.100.7\"]\n");
    ASSERT_EQ(applied.status, 0) << applied.err;
    EXPECT_THAT(applied.out, HasSubstr("there is no device \"eth1\" now: it is guarded when it comes"));
    EXPECT_EQ(world_.guarded(), none);
    world_.plug("eth1", 2);
    EXPECT_TRUE(guards("eth1"));
    EXPECT_TRUE(world_.leaks()); // eth0 is none of its business
}

TEST_F(CliApply, WhatIsGuardedAndNotInTheFileStaysGuarded) {
    ASSERT_EQ(world_.attach({"eth0", "--only", "--gw", "203.0.113.9"}).status, 0);
    world_.plug("eth1", 2);
    const Output applied =
        apply("[[scope]]\ninterfaces = [\"eth1\"]\nonly = true\ngateways = [\"198.51.100.7\"]\n");
    ASSERT_EQ(applied.status, 0) << applied.err;
    EXPECT_THAT(applied.out, HasSubstr("eth0 is guarded and no scope names it"));
    EXPECT_THAT(world_.guarded(), ElementsAre("eth0", "eth1"));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(world_.gateway_reached());
}

TEST_F(CliApply, WhatIsWrongChangesNothing) {
    ASSERT_EQ(apply(all).status, 0);
    const std::string before = world_.snapshot();
    const struct {
        const char *text, *says;
    } rows[] = {
        {"[[scope]]\nlockdwon = true\n", ":2:1: there is no key \"lockdwon\""},
        {"", "nothing would be guarded"},
        {"[[scope]]\ninterfaces = [\"lo\"]\nlockdown = true\n", "\"lo\" is the loopback device"},
        {"[[scope]]\nlockdown = true\ngateways = [\"::/0\"]\n", ":3:13: gateways: "},
    };
    for (const auto &row : rows)
        for (const bool or_lockdown : {false, true}) {
            const Output applied =
                apply(row.text, or_lockdown ? std::vector<std::string>{"--or-lockdown"} : none);
            EXPECT_EQ(applied.status, static_cast<int>(Exit::bad_input)) << row.text << applied.err;
            EXPECT_THAT(applied.err, HasSubstr(path_));
            EXPECT_THAT(applied.err, HasSubstr(row.says));
            EXPECT_THAT(applied.err, HasSubstr("what was in force before still is"));
            EXPECT_EQ(applied.out, "");
        }
    std::filesystem::remove(path_);
    EXPECT_EQ(world_.leakbpf({"apply", "--config", path_}).status, static_cast<int>(Exit::bad_input));
    EXPECT_EQ(world_.snapshot(), before);
}

TEST_F(CliApply, OrLockdown) {
    const Output without = apply("[[scope]]\n");
    EXPECT_EQ(without.status, static_cast<int>(Exit::bad_input));
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(world_.leaks());
    const Output applied = apply("[[scope]]\n", {"--or-lockdown"});
    EXPECT_EQ(applied.status, static_cast<int>(Exit::locked_down)) << applied.err;
    EXPECT_THAT(applied.err, HasSubstr(path_ + ":1:1: "));
    EXPECT_THAT(applied.err, HasSubstr("(lockdown)"));
    EXPECT_FALSE(world_.leaks());
    EXPECT_FALSE(world_.gateway_reached());
    EXPECT_GT(world_.follower(), 0);
    ASSERT_EQ(apply(all).status, 0);
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_FALSE(world_.leaks());
}

// A device that comes when nobody follows is judged all the same.
TEST_F(CliApply, OrLockdownIsClosedToWhatComesLater) {
    for (const char *text : {all, "[[scope]]\n"}) {
        const Output applied = apply(text, {"--or-lockdown", "--no-follow"});
        ASSERT_EQ(applied.status, text == all ? 0 : static_cast<int>(Exit::locked_down)) << applied.err;
        EXPECT_EQ(world_.follower(), 0);
        EXPECT_EQ(processes(), none);
        world_.plug("eth1", 2);
        world_.host().ip("route add 203.0.113.200 via 10.7.2.1 dev eth1\n"
                         "route add 198.51.100.7 via 10.7.2.1 dev eth1");
        EXPECT_FALSE(world_.passes("203.0.113.200"));
        EXPECT_EQ(world_.gateway_reached(), text == all);
        ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
        EXPECT_TRUE(world_.passes("203.0.113.200"));
        world_.host().ip("link del eth1");
    }
}

// No cgroups, or no room at them: nothing may leave all the same.
TEST_F(CliApply, OrLockdownNeedsNoCgroups) {
    write(all);
    const auto apply_at = [&](const std::string &cgroup_root, const char *more) {
        std::vector<std::string> words{leakbpf_binary(), "--bpffs", Sandbox::current().bpffs()};
        for (const char *word :
             {"--cgroup-root", cgroup_root.c_str(), "apply", "--no-follow", "--config", path_.c_str(), more})
            if (*word) words.emplace_back(word);
        return run(words, {.netns = world_.host().fd()});
    };
    const auto locks_down = [&](const std::string &cgroup_root, Exit without) {
        EXPECT_EQ(apply_at(cgroup_root, "").status, static_cast<int>(without));
        EXPECT_TRUE(world_.leaks());
        const Output applied = apply_at(cgroup_root, "--or-lockdown");
        EXPECT_EQ(applied.status, static_cast<int>(Exit::locked_down)) << applied.err;
        EXPECT_THAT(applied.err, HasSubstr("(lockdown)"));
        EXPECT_THAT(applied.out, HasSubstr("there are no socket hooks"));
        EXPECT_FALSE(world_.leaks());
        EXPECT_FALSE(world_.gateway_reached());
        if (kernel_is_at_least(6, 4)) { // below it the second gate is a socket hook too
            EXPECT_EQ(world_.status()["gate"], "netfilter");
        }
        ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
    };
    locks_down("/nowhere", Exit::bad_input);
    const std::string full = Sandbox::current().cgroup_root() + "/lk-apply-full";
    ASSERT_EQ(mkdir(full.c_str(), 0755), 0);
    {
        const lk::Fd directory(open(full.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        std::vector<lk::Fd> programs, links; // the most that the kernel takes
        for (int i = 0; i < 64; ++i) {
            programs.push_back(foreign_program(1, BPF_PROG_TYPE_CGROUP_SOCK));
            links.emplace_back(bpf_link_create(programs.back().get(), directory.get(),
                                               BPF_CGROUP_INET_SOCK_CREATE, nullptr));
            ASSERT_TRUE(links.back()) << i;
        }
        locks_down(full, Exit::failure);
    }
    ASSERT_EQ(rmdir(full.c_str()), 0);
}

TEST_F(CliApply, CheckTouchesNothing) {
    const std::string before = world_.snapshot();
    write("[[scope]]\ninterfaces = [\"eth0\", \"eth7\"]\ngateways = [\"198.51.100.7\"]\nvpn-cgroups = "
          "[\"no.such\"]\n");
    const Output good = world_.leakbpf({"check", "--config", path_});
    EXPECT_EQ(good.status, 0) << good.err;
    EXPECT_THAT(good.out, HasSubstr("would guard: eth0"));
    EXPECT_THAT(good.out, HasSubstr("no device \"eth7\""));
    EXPECT_THAT(good.out, HasSubstr("no cgroup \"no.such\""));
    EXPECT_EQ(world_.leakbpf({"apply", "--dry-run", "--config", path_}).status, 0);
    write("[[scope]]\ngateways = [1]\n");
    const Output bad = world_.leakbpf({"check", "--config", path_});
    EXPECT_EQ(bad.status, static_cast<int>(Exit::bad_input));
    EXPECT_THAT(bad.err, StartsWith("leakbpf: " + path_ + ":2:13: gateways: the number 1"));
    EXPECT_EQ(world_.leakbpf({"check", "--config", path_, "--lockdown"}).status,
              static_cast<int>(Exit::bad_input));
    EXPECT_EQ(world_.snapshot(), before);
}

// The cgroup of a service comes when the service does, and is another one each time.
TEST_F(CliApply, ACgroupThatComesLater) {
    const std::string name = Sandbox::current().cgroup_root() + "/lk-apply-vpn";
    ASSERT_EQ(apply(std::string(all) + "vpn-cgroups = [\"lk-apply-vpn\"]\n").status, 0);
    EXPECT_FALSE(world_.leaks());
    const auto id = [&] {
        const auto status = world_.status();
        return status.at("scopes").at(0).at("policy").at("vpn_cgroups").at(0).at("id").get<std::uint64_t>();
    };
    EXPECT_EQ(id(), 0u);
    ASSERT_EQ(mkdir(name.c_str(), 0755), 0);
    EXPECT_TRUE(eventually([&] { return id() != 0; }));
    const std::uint64_t first = id();
    ASSERT_EQ(rmdir(name.c_str()), 0);
    ASSERT_EQ(mkdir(name.c_str(), 0755), 0);
    EXPECT_TRUE(eventually([&] { return id() != first; }));
    ASSERT_EQ(rmdir(name.c_str()), 0);
}
