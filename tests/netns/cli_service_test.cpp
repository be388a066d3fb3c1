// SPDX-License-Identifier: MIT
// The follower as a service: what it tells systemd, SIGHUP, taking over, and how little it may be given.
// systemd itself is not here: a socket stands in its place.
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "kernel/tcx.h"
#include "leakbpf/abi.h"
#include "netns/cli_world.h"
#include "netns/foreign_program.h"

using namespace lk::harness;
using lk::Exit;
using testing::HasSubstr;

namespace {

// What NOTIFY_SOCKET leads to, or the journal's own socket.
class Manager {
  public:
    explicit Manager(const std::string &path = testing::TempDir() + "lk-notify-" + std::to_string(getpid()))
        : path_(path) {
        socket_ = lk::Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    }
    ~Manager() { std::filesystem::remove(path_); }
    Manager(const Manager &) = delete;

    const std::string &path() const { return path_; }
    // True once WHAT was told since the last time that something was waited for.
    bool told(const std::string &what) {
        const bool found = eventually([&] {
            char buffer[4096];
            for (ssize_t got; (got = recv(socket_.get(), buffer, sizeof buffer, 0)) > 0;)
                heard_ += std::string(buffer, static_cast<std::size_t>(got)) + '\n';
            return heard_.find(what) != heard_.npos;
        });
        if (found) heard_.erase(0, heard_.find(what) + what.size());
        return found;
    }
    const std::string &heard() const { return heard_; }

  private:
    std::string path_, heard_;
    lk::Fd socket_;
};

class CliService : public testing::Test {
  protected:
    CliService()
        : world_("serv"), config_(testing::TempDir() + "lk-serv-" + std::to_string(getpid()) + ".toml"),
          log_(config_ + ".log") {}
    ~CliService() override {
        service_ = {};
        std::filesystem::remove(config_);
        std::filesystem::remove(log_);
    }

    void write(const std::string &text) const { std::ofstream(config_) << text; }
    std::vector<std::string> words(std::vector<std::string> more) const {
        const Sandbox &sandbox = Sandbox::current();
        std::vector<std::string> line{leakbpf_binary(), "--bpffs", sandbox.bpffs(), "--cgroup-root",
                                      sandbox.cgroup_root()};
        line.insert(line.end(), more.begin(), more.end());
        return line;
    }
    // As leakbpf.service has it; MORE: of the environment.
    void start(const std::string &more = "LC_ALL=C") {
        std::vector<std::string> line{"env", "NOTIFY_SOCKET=" + manager_.path(), "WATCHDOG_USEC=60000000",
                                      more};
        for (const std::string &word : words({"follow", "--take-over", "--config", config_}))
            line.push_back(word);
        service_ = Background(line, {.netns = world_.host().fd()}, log_);
    }

    CliWorld world_;
    Manager manager_;
    std::string config_, log_;
    Background service_;
};

const char *const gateway = "[[scope]]\ngateways = [\"198.51.100.7\"]\n";

} // namespace

TEST_F(CliService, TellsHowItIs) {
    write(gateway);
    ASSERT_EQ(world_.leakbpf({"apply", "--no-follow", "--config", config_}).status, 0);
    start();
    ASSERT_TRUE(manager_.told("READY=1\nSTATUS=guards eth0")) << manager_.heard() << contents(log_);
    EXPECT_TRUE(manager_.told("WATCHDOG=1"));
    EXPECT_EQ(world_.follower(), service_.pid());
    world_.plug("eth1", 2);
    world_.host().ip("route add default via 10.7.2.1 dev eth1 metric 500");
    EXPECT_TRUE(manager_.told("STATUS=guards eth0, eth1")) << manager_.heard();

    write("[[scope]]\ngateways = [\"203.0.113.9\"]\n");
    kill(service_.pid(), SIGHUP);
    EXPECT_TRUE(manager_.told("RELOADING=1\nMONOTONIC_USEC="));
    EXPECT_TRUE(manager_.told("READY=1"));
    EXPECT_TRUE(eventually([&] { return world_.leaks() && !world_.gateway_reached(); }));

    write("[[scope]]\ngateways = [\"0.0.0.0/0\"]\n");
    kill(service_.pid(), SIGHUP);
    EXPECT_TRUE(manager_.told("RELOADING=1"));
    EXPECT_TRUE(manager_.told("the configuration is wrong: " + config_ + ":2:13: ")) << manager_.heard();
    EXPECT_THAT(contents(log_), HasSubstr("what was in force before still is"));
    EXPECT_FALSE(world_.gateway_reached());
    EXPECT_EQ(world_.follower(), service_.pid());

    // What attach puts into force is not taken back by the file.
    ASSERT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7"}).status, 0);
    EXPECT_EQ(world_.follower(), service_.pid());
    EXPECT_TRUE(world_.gateway_reached());
    EXPECT_FALSE(world_.leaks());

    service_.end(SIGTERM);
    EXPECT_TRUE(eventually([&] { return world_.follower() == 0; }));
    EXPECT_FALSE(world_.leaks());
}

// An uplink that cannot be guarded is told, and all else is done as without it.
TEST_F(CliService, OneUplinkInTroubleHoldsUpNothing) {
    if (!kernel_has_tcx()) GTEST_SKIP() << "no tcx";
    write(gateway);
    ASSERT_EQ(world_.leakbpf({"apply", "--no-follow", "--config", config_}).status, 0);
    world_.plug("eth1", 2);
    std::vector<lk::Fd> programs, links; // the most that the kernel takes
    world_.host().inside([&] {
        for (int i = 0; i < 64; ++i) {
            programs.push_back(foreign_program(-1));
            links.emplace_back(lk::tcx::create_link(programs.back().get(), world_.host().ifindex("eth1")));
        }
    });
    world_.host().ip("route add default via 10.7.2.1 dev eth1 metric 500");
    start();
    ASSERT_TRUE(manager_.told("READY=1\nSTATUS=no hook could be put on eth1: ")) << manager_.heard();
    EXPECT_TRUE(manager_.told("; guards eth0\n")) << manager_.heard();
    for (const std::string &pin : pins())
        if (pin.ends_with("/cgroup-setsockopt")) std::filesystem::remove(pin);
    const auto alive = [&] {
        const auto status = world_.status();
        return std::ranges::all_of(status.at("socket_hooks"), [](const auto &hook) { return hook["alive"]; });
    };
    ASSERT_FALSE(alive());
    EXPECT_TRUE(eventually(alive, 15s));
    EXPECT_EQ(world_.leakbpf({"status"}).status, static_cast<int>(Exit::weakened));
    links.clear();
    EXPECT_TRUE(eventually([&] { return world_.guarded().size() == 2; }, 40s));
    EXPECT_TRUE(manager_.told("STATUS=guards eth0, eth1")) << manager_.heard();
}

// As docs/systemd.md names them.
TEST_F(CliService, TheJournalGetsFields) {
    std::filesystem::create_directories("/run/systemd/journal");
    Manager journal("/run/systemd/journal/socket");
    write(gateway);
    ASSERT_EQ(world_.leakbpf({"apply", "--no-follow", "--config", config_}).status, 0);
    std::ofstream(log_).flush();
    struct stat log {};
    ASSERT_EQ(stat(log_.c_str(), &log), 0);
    start(fmt::format("JOURNAL_STREAM={}:{}", log.st_dev, log.st_ino));
    ASSERT_TRUE(manager_.told("READY=1")) << manager_.heard();
    world_.plug("eth1", 2);
    world_.host().ip("route add default via 10.7.2.1 dev eth1 metric 500");
    EXPECT_TRUE(journal.told("PRIORITY=5\nSYSLOG_IDENTIFIER=leakbpf\nMESSAGE=guarded now: eth0, eth1\n"
                             "LEAKBPF_EVENT=uplinks\nLEAKBPF_UPLINKS=eth0, eth1\n"))
        << journal.heard();
    write("[[scope]]\ngateways = [\"0.0.0.0/0\"]\n");
    kill(service_.pid(), SIGHUP);
    EXPECT_TRUE(journal.told("PRIORITY=3\n")) << journal.heard();
    EXPECT_TRUE(journal.told("LEAKBPF_EVENT=reload-failed\n")) << journal.heard();
    write(gateway);
    kill(service_.pid(), SIGHUP);
    EXPECT_TRUE(journal.told("LEAKBPF_EVENT=reloaded\n")) << journal.heard();
    if (!kernel_has_tcx()) return;
    const lk::Fd program = foreign_program(-1);
    lk::Fd link;
    world_.host().inside(
        [&] { link.reset(lk::tcx::create_link(program.get(), world_.host().ifindex("eth0"))); });
    EXPECT_TRUE(journal.told("LEAKBPF_EVENT=overtaken\n")) << journal.heard();
}

TEST_F(CliService, TakesAPolicyOnTrialBack) {
    write(gateway);
    ASSERT_EQ(world_.leakbpf({"apply", "--no-follow", "--config", config_}).status, 0);
    start();
    ASSERT_TRUE(manager_.told("READY=1")) << manager_.heard() << contents(log_);
    ASSERT_EQ(world_.attach({"eth0", "--lockdown", "--try", "10"}).status, 0);
    EXPECT_EQ(world_.follower(), service_.pid());
    EXPECT_FALSE(world_.gateway_reached());
    EXPECT_TRUE(eventually([&] { return world_.gateway_reached(); }, 30s));
    const std::string told = "the policy on trial was not kept: the one before is in force again";
    EXPECT_TRUE(eventually([&] { return contents(log_).find(told) != std::string::npos; })) << contents(log_);
    EXPECT_TRUE(service_.alive());
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliService, TakesOverAndEndsWithDetach) {
    ASSERT_EQ(world_.attach().status, 0);
    const pid_t first = world_.follower();
    start();
    ASSERT_TRUE(manager_.told("READY=1")) << manager_.heard() << contents(log_);
    EXPECT_EQ(world_.follower(), service_.pid());
    EXPECT_TRUE(eventually([&] { return kill(first, 0) != 0; }));
    ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
    EXPECT_TRUE(eventually([&] { return !service_.alive(); }));
    // Started again, as systemd does, it has nothing to do and says so by its exit code.
    const Output again = world_.leakbpf({"follow", "--take-over", "--config", config_});
    EXPECT_EQ(again.status, static_cast<int>(Exit::not_attached)) << again.err;
    EXPECT_TRUE(world_.leaks());
}

// Only where nothing is left the exit code says that somebody detached, which the unit takes for its end.
TEST_F(CliService, WhatCannotBeUsedIsMended) {
    write(gateway);
    const std::pair<const char *, const char *> ways[] = {
        {"of another version", "mv \"$1\" \"${1%-v*}-v99\""},
        {"killed between the renames", "mv progs progs-old"},
        {"killed before the flip",
         "bpftool map update pinned maps/lk_word key 0 0 0 0 value 0 0 0 0 $2 0 0 0"}};
    for (const auto &[what, script] : ways) {
        ASSERT_EQ(world_.leakbpf({"apply", "--no-follow", "--config", config_}).status, 0) << what;
        std::string directory;
        for (const auto &entry : std::filesystem::directory_iterator(Sandbox::current().bpffs() + "/leakbpf"))
            directory = entry.path();
        const auto break_it = [&] {
            const Output broken = run({"sh", "-c", std::string("cd \"$1\" && ") + script, "sh", directory,
                                       std::to_string(LK_ABI_VERSION)});
            EXPECT_EQ(broken.status, 0) << what << broken.err;
        };
        break_it();
        EXPECT_EQ(world_.leakbpf({"follow"}).status, static_cast<int>(Exit::failure)) << what;
        EXPECT_FALSE(world_.leaks()) << what;
        start();
        ASSERT_TRUE(manager_.told("READY=1\nSTATUS=guards eth0")) << what << contents(log_);
        EXPECT_THAT(contents(log_), HasSubstr("so the configuration took its place")) << what;
        EXPECT_FALSE(world_.leaks()) << what;
        EXPECT_TRUE(world_.gateway_reached()) << what;
        if (what != ways[0].first) { // of which a running one hears as of a detach
            break_it();
            EXPECT_TRUE(eventually([&] { return !service_.alive(); })) << what;
            start();
            ASSERT_TRUE(manager_.told("READY=1\nSTATUS=guards eth0")) << what << contents(log_);
            EXPECT_FALSE(world_.leaks()) << what;
        }
        service_.end(SIGTERM);
        EXPECT_EQ(world_.leakbpf({"detach", "--all"}).status, 0) << what;
    }
}

// The units give no more capabilities than LK_UNIT_CAPABILITIES; with these everything works that works with
// all.
TEST_F(CliService, CapabilitiesOfTheUnit) {
    std::string bounding = "-all";
    std::istringstream stream(LK_UNIT_CAPABILITIES);
    for (std::string name; stream >> name;) {
        std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
        bounding += ",+" + name.substr(4);
    }
    const auto bounded = [&](std::vector<std::string> more) {
        std::vector<std::string> line{"setpriv",    "--bounding-set", bounding,
                                      "--inh-caps", "-all",           "--no-new-privs"};
        for (const std::string &word : words(std::move(more)))
            line.push_back(word);
        return line;
    };
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY}; // LimitMEMLOCK= of the units
    (void)setrlimit(RLIMIT_MEMLOCK, &unlimited);          // counts before Linux 5.11 only
    write(gateway);
    const auto answer = [&](const std::vector<std::string> &line) {
        const Output output = run(line, {.netns = world_.host().fd()});
        EXPECT_EQ(output.status, 0) << output.err;
        auto json = nlohmann::json::parse(output.out, nullptr, false);
        return json.is_object() ? json : nlohmann::json::object();
    };
    const std::vector<std::string> apply{"--json", "apply", "--no-follow", "--config", config_};
    const auto free = answer(words(apply));
    ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
    const auto caged = answer(bounded(apply));
    EXPECT_EQ(caged.value("guarantees", nlohmann::json()), free.value("guarantees", nlohmann::json()));
    EXPECT_EQ(caged.value("notices", nlohmann::json()), free.value("notices", nlohmann::json()));
    EXPECT_FALSE(world_.leaks());
    EXPECT_TRUE(world_.gateway_reached());
    service_ = Background(bounded({"follow"}), {.netns = world_.host().fd()}, log_);
    EXPECT_TRUE(eventually([&] { return world_.follower() == service_.pid(); })) << contents(log_);
    world_.plug("eth1", 2);
    world_.host().ip("route add default via 10.7.2.1 dev eth1 metric 500");
    EXPECT_TRUE(eventually([&] { return world_.guarded().size() == 2; })) << contents(log_);
    EXPECT_EQ(world_.leakbpf({"status"}).status, 0);
}
