// SPDX-License-Identifier: MIT
// attach, status, replace and detach through the real program, whole and interrupted.
#include <linux/bpf.h>
#include <sys/syscall.h>

#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

// A program of somebody else on tcx egress that answers "pass", so that nobody after it is asked.
class ForeignTcx {
  public:
    ForeignTcx(Netns &netns, const char *device, bool ahead) {
        netns.inside([&] {
            const bpf_insn passes[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0},
                                       {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
            union bpf_attr load {};
            load.prog_type = BPF_PROG_TYPE_SCHED_CLS;
            load.insns = reinterpret_cast<std::uintptr_t>(passes);
            load.insn_cnt = 2;
            load.license = reinterpret_cast<std::uintptr_t>("GPL");
            program_ = lk::Fd(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load)));
            EXPECT_TRUE(program_);
            // struct of BPF_LINK_CREATE, written out: Debian 12's headers do not know tcx.
            struct {
                std::uint32_t program, ifindex, type, flags, relative, pad;
                std::uint64_t revision;
            } create{static_cast<std::uint32_t>(program_.get()),
                     static_cast<std::uint32_t>(netns.ifindex(device)),
                     47 /* BPF_TCX_EGRESS */,
                     ahead ? 1u << 3 : 1u << 4 /* BPF_F_BEFORE, _AFTER */,
                     0,
                     0,
                     0};
            link_ = lk::Fd(static_cast<int>(syscall(SYS_bpf, BPF_LINK_CREATE, &create, sizeof create)));
            EXPECT_TRUE(link_) << errno;
        });
    }

  private:
    lk::Fd program_, link_;
};

} // namespace

TEST(CliAttach, GuardsAndDetachOpensAgain) {
    CliWorld world("att-one");
    ASSERT_TRUE(world.leaks());
    const Output attached = world.attach();
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.out, HasSubstr("guarded: eth0"));
    EXPECT_FALSE(world.leaks());
    EXPECT_TRUE(world.gateway_reached());
    EXPECT_TRUE(world.passes("10.7.1.1"));
    EXPECT_THAT(world.guarded(), ElementsAre("eth0"));
    const Output status = world.leakbpf({});
    EXPECT_EQ(status.status, 0) << status.out;
    EXPECT_THAT(status.out, HasSubstr("not-allowed"));
    const Output detached = world.leakbpf({"detach"});
    EXPECT_EQ(detached.status, 0) << detached.err;
    EXPECT_TRUE(world.leaks());
    EXPECT_EQ(pins(), none);
    EXPECT_EQ(processes(), none);
}

TEST(CliAttach, WithoutANameTakesTheDefaultRoute) {
    CliWorld world("att-auto");
    ASSERT_EQ(world.attach({"--gw", "198.51.100.7"}).status, 0);
    EXPECT_THAT(world.guarded(), ElementsAre("eth0"));
    EXPECT_FALSE(world.leaks());
}

TEST(CliAttach, ByNamespaceName) {
    CliWorld world("att-named");
    const Sandbox &sandbox = Sandbox::current();
    const Output attached = run({leakbpf_binary(), "--netns", world.host().name(), "--bpffs", sandbox.bpffs(),
                                 "--cgroup-root", sandbox.cgroup_root(), "attach", "eth0", "--lockdown"});
    EXPECT_EQ(attached.status, 0) << attached.err;
    EXPECT_FALSE(world.leaks());
    EXPECT_FALSE(world.gateway_reached());
}

TEST(CliAttach, ReplacesThePolicyAsAWhole) {
    CliWorld world("att-again");
    ASSERT_EQ(world.attach().status, 0);
    const int epoch = world.status()["epoch"];
    const Output again = world.attach({"eth0", "--gw", "203.0.113.9", "--no-lan"});
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_TRUE(world.leaks());
    EXPECT_FALSE(world.gateway_reached());
    EXPECT_FALSE(world.passes("10.7.1.1"));
    const auto status = world.status();
    EXPECT_GT(status["epoch"], epoch);
    EXPECT_EQ(status["scopes"].size(), 1u);
}

TEST(CliAttach, TwoUplinksTwoPolicies) {
    CliWorld world("att-two");
    world.plug("eth1", 2);
    world.host().ip(
        "route add 203.0.113.200 via 10.7.2.1 dev eth1\nroute add 198.51.100.200 via 10.7.2.1 dev eth1");
    const Output first = world.leakbpf({"--json", "attach", "eth0", "--gw", "198.51.100.7"});
    ASSERT_EQ(first.status, 0) << first.err;
    const auto answer = nlohmann::json::parse(first.out);
    EXPECT_EQ(answer["attached"], nlohmann::json::array({"eth0"}));
    ASSERT_EQ(world.attach({"eth1", "--gw", "198.51.100.200"}).status, 0);
    EXPECT_THAT(world.guarded(), ElementsAre("eth0", "eth1"));
    EXPECT_TRUE(world.gateway_reached());
    EXPECT_TRUE(world.passes("198.51.100.200"));
    EXPECT_FALSE(world.passes("203.0.113.200"));
    ASSERT_EQ(world.leakbpf({"detach", "eth1"}).status, 0);
    EXPECT_TRUE(world.passes("203.0.113.200"));
    EXPECT_FALSE(world.leaks());
    EXPECT_TRUE(world.follower());
    ASSERT_EQ(world.leakbpf({"detach", "eth0"}).status, 0);
    EXPECT_EQ(pins(), none);
    EXPECT_EQ(processes(), none);
}

TEST(CliAttach, OtherUplinksAreListedAsUnguarded) {
    CliWorld world("att-other");
    world.plug("eth1", 2);
    world.host().ip("route add default via 10.7.2.1 dev eth1 metric 500");
    const Output attached = world.attach();
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.out, HasSubstr("UNGUARDED: eth1"));
    EXPECT_EQ(world.status()["unguarded"], nlohmann::json::array({"eth1"}));
    const Output text = world.leakbpf({"status"});
    EXPECT_THAT(text.out, testing::ContainsRegex("eth1 +UNGUARDED"));
    EXPECT_EQ(text.status, 0); // it was chosen
}

TEST(CliAttach, NamespacesDoNotMeet) {
    CliWorld one("att-ns1"), two("att-ns2");
    ASSERT_EQ(one.attach().status, 0);
    EXPECT_TRUE(two.leaks());
    ASSERT_EQ(two.attach({"eth0", "--gw", "203.0.113.9"}).status, 0);
    EXPECT_TRUE(two.leaks());
    EXPECT_FALSE(one.leaks());
    ASSERT_EQ(one.leakbpf({"detach"}).status, 0);
    EXPECT_FALSE(two.gateway_reached());
}

TEST(CliAttach, DryRunAndCheckTouchNothing) {
    CliWorld world("att-dry");
    const std::string before = world.snapshot();
    const Output dry = world.leakbpf({"attach", "--dry-run", "eth0", "--gw", "198.51.100.7"});
    EXPECT_EQ(dry.status, 0) << dry.err;
    EXPECT_THAT(dry.out, HasSubstr("would guard: eth0"));
    const Output check = world.leakbpf({"--json", "check", "eth0", "--gw", "198.51.100.7"});
    EXPECT_EQ(check.status, 0) << check.err;
    EXPECT_EQ(nlohmann::json::parse(check.out)["uplinks"], nlohmann::json::array({"eth0"}));
    EXPECT_EQ(world.snapshot(), before);
    EXPECT_TRUE(world.leaks());
}

TEST(CliAttach, AForeignTcxProgramAheadIsToldByStatus) {
    if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    CliWorld world("att-tcx");
    // A follower would put ours first again.
    ASSERT_EQ(world.attach({"eth0", "--no-follow", "--gw", "198.51.100.7", "--hook", "tcx"}).status, 0);
    {
        const ForeignTcx behind(world.host(), "eth0", false);
        const Output status = world.leakbpf({"status"});
        EXPECT_EQ(status.status, 0) << status.out;
        EXPECT_FALSE(world.leaks());
    }
    const ForeignTcx ahead(world.host(), "eth0", true);
    const Output status = world.leakbpf({"status"});
    EXPECT_EQ(status.status, static_cast<int>(Exit::weakened)) << status.out;
    EXPECT_THAT(status.out, HasSubstr("WEAKNESS: eth0: tcx program"));
    EXPECT_THAT(status.out, HasSubstr("BEHIND tcx program"));
}

TEST(CliAttach, AForeignClsactFilterAheadIsToldByStatus) {
    if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    CliWorld world("att-cls");
    const Output attached = world.attach({"eth0", "--gw", "198.51.100.7", "--hook", "clsact"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_FALSE(world.leaks());
    const ForeignTcx ahead(world.host(), "eth0", true); // tcx runs before every clsact filter
    const Output status = world.leakbpf({"status"});
    EXPECT_EQ(status.status, static_cast<int>(Exit::weakened)) << status.out;
    EXPECT_THAT(status.out, HasSubstr("WEAKNESS: eth0: "));
}

TEST(CliAttach, AMissingHookIsToldByStatus) {
    CliWorld world("att-hook");
    ASSERT_EQ(world.attach({"eth0", "--lockdown", "--no-follow", "--hook", "clsact"}).status, 0);
    ASSERT_EQ(run({"tc", "qdisc", "del", "dev", "eth0", "clsact"}, {.netns = world.host().fd()}).status, 0);
    const Output status = world.leakbpf({"status"});
    EXPECT_EQ(status.status, static_cast<int>(Exit::weakened)) << status.out;
    EXPECT_THAT(status.out, HasSubstr("WEAKNESS: eth0 is to be guarded"));
    ASSERT_EQ(world.attach({"eth0", "--lockdown", "--no-follow", "--hook", "clsact"}).status, 0);
    EXPECT_FALSE(world.leaks());
    EXPECT_EQ(world.leakbpf({"status"}).status, 0);
}

TEST(CliAttach, TheRecordOfAClsactFilterIsMended) {
    CliWorld world("att-rec");
    const std::vector<std::string> args = {"eth0", "--gw", "198.51.100.7", "--no-follow", "--hook", "clsact"};
    ASSERT_EQ(world.attach(args).status, 0);
    for (const std::string &pin : pins())
        if (pin.find("/links/clsact") != std::string::npos && !std::filesystem::is_directory(pin))
            std::filesystem::remove(pin);
    const Output again = world.attach(args);
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_FALSE(world.leaks());
    EXPECT_EQ(world.leakbpf({"status"}).status, 0);
    EXPECT_EQ(world.leakbpf({"detach"}).status, 0);
    EXPECT_TRUE(world.leaks());
}

TEST(CliAttach, BrokenPinsAreMendedOrCleaned) {
    CliWorld world("att-pins");
    ASSERT_EQ(world.attach().status, 0);
    const auto all = pins();
    ASSERT_NE(all, none);
    // Every file alone, then everything but the directories.
    for (const std::string &victim : all) {
        if (std::filesystem::is_directory(victim) || !std::filesystem::exists(victim)) continue;
        std::filesystem::remove(victim);
        const Output again = world.attach();
        EXPECT_EQ(again.status, 0) << victim << ": " << again.err;
        EXPECT_FALSE(world.leaks()) << victim;
        EXPECT_TRUE(world.gateway_reached()) << victim;
    }
    std::filesystem::create_directories(Sandbox::current().bpffs() + "/leakbpf/net-1-v999/maps");
    EXPECT_EQ(world.attach().status, 0);
    EXPECT_EQ(world.leakbpf({"detach"}).status, 0);
    EXPECT_TRUE(world.leaks());
    std::filesystem::remove_all(Sandbox::current().bpffs() + "/leakbpf/net-1-v999");
    EXPECT_EQ(pins(), none);
}

// Maps of another shape, as another build may have them: what comes between two followers is judged all the
// same.
TEST(CliAttach, ABuildWithOtherMapsKeepsTheSecondGate) {
    CliWorld world("att-maps");
    ASSERT_EQ(world.attach().status, 0);
    ASSERT_NE(world.status()["gate"], "none");
    std::string maps;
    for (const std::string &pin : pins())
        if (pin.ends_with("/maps")) maps = pin;
    ASSERT_EQ(run({"sh", "-c",
                   "cd $1 && rm lk_gw ../progs/build && bpftool map create lk_gw type hash key 20 value 28 "
                   "entries 7 name lk_gw flags 1",
                   "sh", maps})
                  .status,
              0);
    const Output attached = world.attach({"eth0", "--no-follow", "--gw", "198.51.100.7"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    EXPECT_EQ(processes(), none);
    world.plug("eth1", 2);
    world.host().ip("route add 203.0.113.200 via 10.7.2.1 dev eth1");
    EXPECT_FALSE(world.passes("203.0.113.200"));
    EXPECT_TRUE(world.gateway_reached());
    EXPECT_NE(world.status()["gate"], "none");
}

TEST(CliAttach, TwoAtOnceLeaveOneWholeState) {
    CliWorld world("att-race");
    const Sandbox &sandbox = Sandbox::current();
    for (int round = 0; round < 5; ++round) {
        std::vector<Output> outputs(4);
        std::vector<std::thread> threads;
        for (std::size_t index = 0; index < outputs.size(); ++index)
            threads.emplace_back([&, index] {
                outputs[index] = run({leakbpf_binary(), "--netns", world.host().path(), "--bpffs",
                                      sandbox.bpffs(), "--cgroup-root", sandbox.cgroup_root(), "attach",
                                      "eth0", "--gw", index % 2 ? "198.51.100.7" : "198.51.100.8"},
                                     {.timeout = 60s});
            });
        for (std::thread &thread : threads)
            thread.join();
        int successes = 0;
        for (const Output &output : outputs) {
            EXPECT_TRUE(output.status == 0 || output.status == static_cast<int>(Exit::busy))
                << output.status << output.err;
            successes += output.status == 0;
        }
        EXPECT_GE(successes, 1);
        EXPECT_FALSE(world.leaks());
        EXPECT_NE(world.passes("198.51.100.7"), world.passes("198.51.100.8")); // one policy, whole
        EXPECT_EQ(world.status()["scopes"].size(), 1u);
        EXPECT_EQ(processes().size(), 1u);
        if (round % 2) {
            ASSERT_EQ(world.leakbpf({"detach"}).status, 0);
        }
    }
}

// Killed at any moment: the old policy, the new one or closed, and open only where nothing was attached and
// no success was printed.
TEST(CliAttach, KilledInTheMiddle) {
    CliWorld world("att-kill");
    const Sandbox &sandbox = Sandbox::current();
    std::mt19937 random(2); // fixed: the moments differ by load anyway
    const std::string log = sandbox.dir() + "/kill.log";
    int killed = 0;
    for (int round = 0; round < 40; ++round) {
        const bool fresh = round % 2;
        if (fresh) {
            world.leakbpf({"detach", "--all"});
        } else {
            ASSERT_EQ(world.attach().status, 0);
        }
        {
            Background attach({leakbpf_binary(), "--netns", world.host().path(), "--bpffs", sandbox.bpffs(),
                               "--cgroup-root", sandbox.cgroup_root(), "attach", "eth0", "--gw",
                               "198.51.100.8"},
                              {}, log);
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 120'000));
            if (attach.alive()) ++killed;
            attach.end(round % 4 < 2 ? SIGKILL : SIGINT);
        }
        const bool success = contents(log).find("guarded: ") != std::string::npos;
        if (!fresh || success) {
            EXPECT_FALSE(world.leaks()) << "round " << round;
        }
        const Output status = world.leakbpf({"status"});
        EXPECT_TRUE(status.status == 0 || status.status == 6 || status.status == 7)
            << status.status << status.err;
        const Output again = world.attach({"eth0", "--gw", "198.51.100.8"});
        ASSERT_EQ(again.status, 0) << "round " << round << ": " << again.err;
        EXPECT_FALSE(world.leaks());
        EXPECT_TRUE(world.passes("198.51.100.8"));
    }
    EXPECT_GT(killed, 10);
    ASSERT_EQ(world.leakbpf({"detach"}).status, 0);
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(world.leaks());
}

TEST(CliWatch, ShowsWhatIsRefused) {
    CliWorld world("att-watch");
    ASSERT_EQ(world.attach().status, 0);
    const Sandbox &sandbox = Sandbox::current();
    const std::string log = sandbox.dir() + "/watch.log";
    Background watch({leakbpf_binary(), "--netns", world.host().path(), "--bpffs", sandbox.bpffs(),
                      "--cgroup-root", sandbox.cgroup_root(), "--json", "watch"},
                     {}, log);
    EXPECT_TRUE(eventually([&] {
        world.leaks();
        return contents(log).find("\"not-allowed\"") != std::string::npos;
    }));
    std::istringstream lines(contents(log));
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    const auto event = nlohmann::json::parse(line);
    EXPECT_EQ(event["verdict"], "refuse");
    EXPECT_EQ(event["protocol"], "udp");
    EXPECT_EQ(event["destination"]["address"], "203.0.113.9");
    EXPECT_EQ(event["source"]["address"], "10.7.1.2");
    EXPECT_EQ(event["device"]["name"], "eth0");
    EXPECT_EQ(event["uid"], 0);
    kill(watch.pid(), SIGINT);
    EXPECT_TRUE(eventually([&] { return !watch.alive(); }));
}
