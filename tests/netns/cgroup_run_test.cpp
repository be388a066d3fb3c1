// SPDX-License-Identifier: MIT
// leakbpf run and leakbpf oci-hook: the policy holds before the first instruction.
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <sstream>

#include "cgroup_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

[[maybe_unused]] const auto *const kept = testing::AddGlobalTestEnvironment(new ProgramsKept);

constexpr const char *gateway = "198.51.100.7", *other = "203.0.113.9";

// A shell that sends a datagram to DST as its first act.
std::vector<std::string> sends(const std::string &dst) {
    return {"bash", "-c", "echo probe >/dev/udp/" + dst + "/4000"};
}

bool some_cgroup(const std::string &part) {
    for (const auto &entry : std::filesystem::directory_iterator(Sandbox::current().cgroup_root()))
        if (entry.path().filename().string().find(part) != std::string::npos) return true;
    return false;
}

Output run_with(const CgroupWorld &world, std::vector<std::string> options,
                const std::vector<std::string> &command) {
    options.insert(options.begin(), "run");
    options.emplace_back("--");
    options.insert(options.end(), command.begin(), command.end());
    return world.leakbpf(options);
}

// What follows WHAT in each of the EXAMPLES, which '|' separates.
std::vector<std::vector<std::string>> words_after(const char *examples, const std::string &what) {
    std::vector<std::vector<std::string>> all;
    std::istringstream lines(examples);
    for (std::string line; std::getline(lines, line, '|');) {
        std::istringstream words(line.substr(line.find(what) + what.size()));
        all.emplace_back(std::istream_iterator<std::string>(words), std::istream_iterator<std::string>());
    }
    return all;
}

} // namespace

TEST(CgroupRun, ThePolicyIsThereFromTheFirstInstructionOn) {
    CgroupWorld world("run");
    for (const char *dst : {gateway, other}) {
        Mark mark;
        mark.flow(Ip::of(dst), 4000);
        const auto since = world.capture().position();
        const Output output = run_with(world, {"--gw", gateway}, sends(dst));
        world.capture().settle();
        EXPECT_EQ(output.status, dst == gateway ? 0 : 1) << output.err;
        EXPECT_EQ(world.capture().count(mark, since), dst == gateway ? 1u : 0u) << dst;
    }
    EXPECT_FALSE(some_cgroup("leakbpf-run"));
    EXPECT_TRUE(world.policies().empty());
}

TEST(CgroupRun, TheExitStatusIsTheCommands) {
    CgroupWorld world("exit");
    EXPECT_EQ(run_with(world, {"--lockdown"}, {"sh", "-c", "exit 7"}).status, 7);
    EXPECT_EQ(run_with(world, {"--lockdown"}, {"sh", "-c", "kill -9 $$"}).status, 128 + 9);
    const Sandbox &sandbox = Sandbox::current(); // whoever called it ignores the end of its children
    EXPECT_EQ(
        run({"sh", "-c", "trap '' CHLD; exec \"$@\"", "sh", leakbpf_binary(), "--bpffs", sandbox.bpffs(),
             "--cgroup-root", sandbox.cgroup_root(), "run", "--lockdown", "--", "sh", "-c", "exit 7"},
            {.netns = world.host().fd()})
            .status,
        7);
    EXPECT_EQ(run_with(world, {"--lockdown"}, {"/no/such/program"}).status, 127);
    EXPECT_EQ(run_with(world, {"--lockdown"}, {"/etc/passwd"}).status, 126);
    EXPECT_EQ(run_with(world, {"--lockdown"}, {"sh", "-c", "exit 2"}).status, 2);
    // All that is leakbpf's own: nothing is allowed, a bad name, no command, no such option or namespace, a
    // cgroup that is there already, not root, no bpffs.
    EXPECT_EQ(run_with(world, {}, {"true"}).status, 125);
    EXPECT_EQ(run_with(world, {"--lockdown", "--unit", "../x"}, {"true"}).status, 125);
    EXPECT_EQ(run_with(world, {"--lockdown", "--serve", "tcp/80"}, {"true"}).status, 125);
    EXPECT_EQ(world.leakbpf({"run", "--lockdown"}).status, 125);
    EXPECT_EQ(world.leakbpf({"--netns", "nowhere", "run", "--lockdown", "--", "true"}).status, 125);
    const Cgroup there("there.scope");
    EXPECT_EQ(run_with(world, {"--lockdown", "--unit", "there.scope"}, {"true"}).status, 125);
    EXPECT_EQ(
        run({leakbpf_binary(), "run", "--lockdown", "--", "true"}, {.netns = world.host().fd(), .uid = 12345})
            .status,
        125);
    EXPECT_EQ(run({leakbpf_binary(), "--bpffs", "/nowhere", "run", "--lockdown", "--", "true"},
                  {.netns = world.host().fd()})
                  .status,
              125);
    const Output text = run_with(world, {"--lockdown", "--unit", "job.scope"}, {"cat", "/proc/self/cgroup"});
    EXPECT_NE(text.out.find("/job.scope"), std::string::npos) << text.out;
}

TEST(CgroupRun, SignalsArePassedOn) {
    CgroupWorld world("sig");
    const std::string ready = Sandbox::current().dir() + "/ready";
    std::vector<std::string> words{leakbpf_binary(),
                                   "--bpffs",
                                   Sandbox::current().bpffs(),
                                   "--cgroup-root",
                                   Sandbox::current().cgroup_root(),
                                   "run",
                                   "--lockdown",
                                   "--",
                                   "bash",
                                   "-c",
                                   "trap 'echo told >" + ready + "2; exit 3' TERM; touch " + ready +
                                       "; while :; do sleep 0.05; done"};
    const Background command(words, {.netns = world.host().fd()}, Sandbox::current().dir() + "/run.log");
    ASSERT_TRUE(
        eventually([&] { return std::filesystem::exists(ready); }, 20s)); // the programs are loaded first
    kill(command.pid(), SIGTERM);
    EXPECT_TRUE(eventually([&] { return contents(ready + "2") == "told\n"; }));
    EXPECT_TRUE(eventually([&] { return !command.alive(); }));
    EXPECT_TRUE(world.policies().empty());
}

TEST(CgroupRun, WhatStaysBehindStaysUnderThePolicy) {
    CgroupWorld world("left");
    const Output output = run_with(world, {"--gw", gateway, "--unit", "left.scope"},
                                   {"bash", "-c", "sleep 30 >/dev/null 2>&1 & echo $!"});
    EXPECT_EQ(output.status, 0);
    EXPECT_NE(output.err.find("left.scope"), std::string::npos) << output.err;
    const Cgroup left("left.scope");
    EXPECT_FALSE(world.passes(left, other));
    EXPECT_TRUE(world.passes(left, gateway));
    kill(std::stoi(output.out), SIGKILL);
    EXPECT_EQ(world.free(left).status, 0);
}

// Whoever made a cgroup below the command's and stays there when that has ended.
TEST(CgroupRun, WhatMovedBelowStaysUnderThePolicy) {
    CgroupWorld world("below");
    const std::string below = Sandbox::current().cgroup_root() + "/moved.scope/x";
    const std::string script = "mkdir " + below + " && echo 0 >" + below +
                               "/cgroup.procs && { sleep 30 >/dev/null 2>&1 & echo $!; }";
    const Output output = run_with(world, {"--gw", gateway, "--unit", "moved.scope"}, {"bash", "-c", script});
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_NE(output.err.find("moved.scope"), std::string::npos) << output.err;
    const Cgroup left("moved.scope"), inner("moved.scope/x");
    EXPECT_FALSE(world.passes(inner, other));
    EXPECT_TRUE(world.passes(inner, gateway));
    kill(std::stoi(output.out), SIGKILL);
    EXPECT_EQ(world.free(left).status, 0);
}

// Cgroups that it made and nobody is in go with it.
TEST(CgroupRun, EmptyOnesBelowGo) {
    CgroupWorld world("empty");
    const std::string below = Sandbox::current().cgroup_root() + "/empty.scope/x/y";
    const Output output = run_with(world, {"--gw", gateway, "--unit", "empty.scope"}, {"mkdir", "-p", below});
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_EQ(output.err, "");
    EXPECT_FALSE(some_cgroup("empty.scope"));
    EXPECT_TRUE(world.policies().empty());
}

// Its policy stays for a socket that went elsewhere with its process, until that is closed.
TEST(CgroupRun, ASocketThatLivesOnKeepsThePolicy) {
    CgroupWorld world("lives");
    const Cgroup elsewhere("elsewhere");
    const std::string script = "exec 3<>/dev/udp/198.51.100.7/4000; sleep 30 >/dev/null 2>&1 & echo $! >" +
                               elsewhere.path() + "/cgroup.procs; echo $!";
    const Output output =
        run_with(world, {"--gw", gateway, "--unit", "lives.scope"}, {"bash", "-euc", script});
    ASSERT_EQ(output.status, 0) << output.err;
    EXPECT_FALSE(some_cgroup("lives.scope"));
    const auto known = [&] {
        return world.leakbpf({"status", "--cgroups"}).out.find("lives.scope") != std::string::npos;
    };
    EXPECT_TRUE(known());
    EXPECT_EQ(run_with(world, {"--lockdown"}, {"true"}).status, 0); // which looks for those that are spent
    EXPECT_TRUE(known());
    kill(std::stoi(output.out), SIGKILL);
    EXPECT_TRUE(
        eventually([&] { return run_with(world, {"--lockdown"}, {"true"}).status == 0 && !known(); }, 20s));
    EXPECT_TRUE(world.policies().empty());
}

TEST(CgroupRun, AResolverOnLoopbackIsTold) {
    CgroupWorld world("stub");
    const Sandbox &sandbox = Sandbox::current();
    const auto told = [&](const std::string &server) {
        return run({"unshare", "-m", "sh", "-euc",
                    "mount -t tmpfs none /etc; echo nameserver $0 >/etc/resolv.conf; exec \"$@\"", server,
                    leakbpf_binary(), "--bpffs", sandbox.bpffs(), "--cgroup-root", sandbox.cgroup_root(),
                    "run", "--gw", gateway, "--dns", "10.42.0.1", "--", "true"},
                   {.netns = world.host().fd()});
    };
    const Output stub = told("127.0.0.53"), server = told("10.42.0.1");
    EXPECT_EQ(stub.status, 0);
    EXPECT_NE(stub.err.find("notice: /etc/resolv.conf names \"127.0.0.53\""), std::string::npos) << stub.err;
    EXPECT_EQ(server.status, 0);
    EXPECT_EQ(server.err, "");
}

TEST(OciHook, GuardsTheContainersCgroup) {
    CgroupWorld world("oci");
    const Cgroup cgroup("box");
    Puppet process({.netns = world.host().fd()}, [&](const std::function<void()> &next) {
        cgroup.enter();
        next();
    });
    const auto hook = [&](const std::string &annotations, pid_t pid,
                          const std::vector<std::string> &more = {}) {
        std::vector<std::string> words{leakbpf_binary(),
                                       "--bpffs",
                                       Sandbox::current().bpffs(),
                                       "--cgroup-root",
                                       Sandbox::current().cgroup_root(),
                                       "oci-hook"};
        words.insert(words.end(), more.begin(), more.end());
        return run(words, {.netns = world.host().fd(),
                           .input = fmt::format(R"({{"ociVersion": "1.0.2", "id": "box", "status": "creating",
                                                    "pid": {}, "annotations": {}}})",
                                                pid, annotations)});
    };
    const std::string good = R"({"org.leakbpf.gw": "198.51.100.7"})";
    EXPECT_EQ(hook(R"({"org.leakbpf.gw": "vpn"})", process.pid()).status, 2);
    EXPECT_EQ(hook("{}", process.pid(), {"--require-policy"}).status, 2);
    EXPECT_EQ(hook("{}", process.pid()).status, 0);
    EXPECT_TRUE(world.policies().empty());
    EXPECT_NE(hook(good, getpid()).status, 0);      // it shares its cgroup with the hook
    EXPECT_NE(hook(good, 2'000'000'000).status, 0); // there is no such process
    EXPECT_TRUE(world.policies().empty());
    EXPECT_TRUE(world.passes(cgroup, other));

    const Output done = hook(good, process.pid());
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_TRUE(world.passes(cgroup, gateway));
    EXPECT_FALSE(world.passes(cgroup, other));

    // The configuration comes before what the container's annotations ask for.
    const std::string config = Sandbox::current().dir() + "/containers.toml";
    const std::string named = R"({"org.leakbpf.gw": "198.51.100.7", "name": "web-1"})";
    std::ofstream(config)
        << "[[container]]\nannotations = { name = \"web-*\" }\ngateways = [\"203.0.113.9\"]\n";
    const std::vector<std::string> configured{"--config", config, "--require-policy"};
    EXPECT_EQ(hook(R"({"name": "db"})", process.pid(), configured).status, 2);
    EXPECT_EQ(hook(good, process.pid(), configured).status, 0);
    EXPECT_TRUE(world.passes(cgroup, gateway));
    const Output decided = hook(named, process.pid(), configured);
    EXPECT_EQ(decided.status, 0) << decided.err;
    EXPECT_NE(decided.err.find("the configuration decides"), std::string::npos) << decided.err;
    EXPECT_TRUE(world.passes(cgroup, other));
    EXPECT_FALSE(world.passes(cgroup, gateway));
    std::ofstream(config) << "[[container]]\nid = \"*\"\ngateway = [\"203.0.113.9\"]\n";
    EXPECT_EQ(hook("{}", process.pid(), {"--config", config}).status, 2);
    EXPECT_EQ(hook("{}", process.pid(), {"--config", "/nowhere"}).status, 2);
}

// As README and docs have them. Programs are stood in for: there is no Internet here.
TEST(CgroupRun, TheExamplesOfTheDocs) {
    CgroupWorld world("docs");
    const std::string bin = Sandbox::current().dir() + "/bin";
    std::filesystem::create_directory(bin);
    std::ofstream(bin + "/curl") << "#!/bin/sh\necho \"$1\"; cat /proc/self/cgroup\n";
    std::filesystem::permissions(bin + "/curl", std::filesystem::perms::owner_all);
    const Sandbox &sandbox = Sandbox::current();
    const auto examples = words_after(LK_RUN_EXAMPLES, "leakbpf ");
    for (const auto &example : examples) {
        std::vector<std::string> line{"env",
                                      "PATH=" + bin + ":" + getenv("PATH"),
                                      leakbpf_binary(),
                                      "--bpffs",
                                      sandbox.bpffs(),
                                      "--cgroup-root",
                                      sandbox.cgroup_root()};
        line.insert(line.end(), example.begin(), example.end());
        const Output output = run(line, {.netns = world.host().fd()});
        EXPECT_EQ(output.status, 0) << testing::PrintToString(example) << output.err;
        EXPECT_NE(output.out.find("https://"), std::string::npos) << output.out;
        EXPECT_NE(output.out.find("/leakbpf-run-"), std::string::npos) << output.out;
    }
    EXPECT_GE(examples.size(), 2u);
}

TEST(CgroupRun, TheExamplesOfCgroups) {
    CgroupWorld world("docs");
    const std::string id = "4f0c1d2e3a5b0123456789abcdef0123456789abcdef0123456789abcdef0123";
    const Cgroup system("system.slice"), service("system.slice/nginx.service"), docker("docker"),
        container("docker/" + id), machines("machine.slice"), scope("machine.slice/foo.scope");
    const Puppet process({.netns = world.host().fd()}, [&](const std::function<void()> &next) {
        service.enter();
        next();
    });
    EXPECT_TRUE(world.passes(service, other));
    const auto examples = words_after(LK_CGROUP_EXAMPLES, "leakbpf ");
    for (auto example : examples) {
        std::ranges::replace(example, "1234", std::to_string(process.pid()));
        const Output output = world.leakbpf(example);
        EXPECT_EQ(output.status, 0) << testing::PrintToString(example) << output.err;
        if (example.front() == "status") {
            EXPECT_NE(output.out.find("nginx.service"), std::string::npos) << output.out;
        }
        const bool guarded = example.front() != "detach";
        EXPECT_NE(world.passes(service, other), guarded);
        EXPECT_TRUE(world.passes(service, gateway));
    }
    EXPECT_FALSE(world.passes(scope, gateway)); // lockdown
    EXPECT_GE(examples.size(), 6u);
}

// What the DaemonSet of packaging/kubernetes does, with no more than it has.
TEST(DaemonSet, ItsCapabilitiesAreEnough) {
    CgroupWorld world("caps");
    const Cgroup cgroup("kubepods.slice");
    Puppet process({.netns = world.far().fd()}, [&](const std::function<void()> &next) {
        cgroup.enter();
        next();
    });
    std::string bounding = "-all";
    std::istringstream names(LK_DAEMONSET_CAPABILITIES);
    for (std::string name; std::getline(names >> std::ws, name, ',');) {
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
        bounding += ",+" + name;
    }
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_MEMLOCK, &unlimited); // for kernels before Linux 5.11
    const Sandbox &sandbox = Sandbox::current();
    ASSERT_EQ(world.leakbpf({"detach", "--cgroup", ProgramsKept::name}).status, 0); // it loads them itself
    for (int turn = 0; turn < 2; ++turn) {
        const Output output =
            run({"setpriv", "--bounding-set", bounding, "--inh-caps", "-all", "--no-new-privs",
                 leakbpf_binary(), "--bpffs", sandbox.bpffs(), "--cgroup-root", sandbox.cgroup_root(),
                 "attach", "--cgroup", "kubepods.slice", "--gw", gateway, "--vpn-user", "10105"},
                {.netns = world.host().fd()});
        ASSERT_EQ(output.status, 0) << output.err;
        EXPECT_TRUE(world.passes(cgroup, gateway));
        EXPECT_FALSE(world.passes(cgroup, other));
    }
    EXPECT_EQ(world.leakbpf({"attach", "--cgroup", ProgramsKept::name, "--lockdown"}).status, 0);
}
