// SPDX-License-Identifier: MIT
// detach --all when everything else is broken: it opens the machine again, leaves nothing behind, and says
// so.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/kernel.h"
#include "kernel/sys.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using testing::HasSubstr;

namespace {

constexpr const char *hooks[] = {"clsact", "tcx"};

class DetachAll : public testing::Test {
  protected:
    DetachAll() : world_("gone") {}

    void attach(const char *hook = "auto", const std::vector<std::string> &more = {}) {
        std::vector<std::string> words{"eth0", "--gw", "198.51.100.7", "--hook", hook};
        words.insert(words.end(), more.begin(), more.end());
        const Output attached = world_.attach(words);
        ASSERT_EQ(attached.status, 0) << attached.err;
        ASSERT_FALSE(world_.leaks());
    }
    // The directory of the network namespace's state.
    static std::string directory() {
        for (const auto &entry : std::filesystem::directory_iterator(Sandbox::current().bpffs() + "/leakbpf"))
            return entry.path();
        return {};
    }
    static void in_directory(const std::string &script) {
        const Output done = run({"sh", "-c", "cd \"$1\" && " + script, "sh", directory()});
        ASSERT_EQ(done.status, 0) << done.err;
    }
    void opens(Exit exit = Exit::ok) {
        const Output detached = world_.leakbpf({"detach", "--all"});
        EXPECT_EQ(detached.status, static_cast<int>(exit)) << detached.err;
        EXPECT_TRUE(world_.leaks());
        EXPECT_EQ(pins(), none);
        EXPECT_TRUE(eventually([] { return processes() == none; }));
        // And it can be attached anew.
        attach();
        EXPECT_EQ(world_.leakbpf({"detach", "--all"}).status, 0);
    }
    static bool can(const char *hook) { return std::string(hook) != "tcx" || kernel_has_tcx(); }

    CliWorld world_;
};

} // namespace

class DetachAllBroken : public DetachAll,
                        public testing::WithParamInterface<std::pair<const char *, const char *>> {};

// With the follower alive and in the way.
TEST_P(DetachAllBroken, Opens) {
    for (const char *hook : hooks) {
        if (!can(hook)) continue;
        attach(hook);
        in_directory(GetParam().second);
        opens();
        // Where the record is lost that the qdisc is ours, an empty one stays.
        EXPECT_THAT(run({"tc", "qdisc", "show", "dev", "eth0"}, {.netns = world_.host().fd()}).out,
                    testing::Not(HasSubstr("clsact")));
    }
}

INSTANTIATE_TEST_SUITE_P(
    Pins, DetachAllBroken,
    testing::Values(
        std::pair{"AnotherVersion", "mv \"$1\" \"${1%-v*}-v99\""},
        std::pair{"AnotherVersionBeside", "mkdir \"${1%-v*}-v99\" \"${1%-v*}-v99/links\""},
        std::pair{"NoDocument", "rm document-*"},
        std::pair{"GarbageDocument",
                  "d=$(echo document-*) && rm $d && bpftool map create $d type array key 4 value "
                  "4096 entries 1 name lk_document flags 0x400"},
        std::pair{"HalfWritten", "mv progs progs-new && rm progs-new/lk_connect4 maps/lk_gw"},
        std::pair{"NoMaps", "rm -r maps"}, std::pair{"NoPrograms", "rm -r progs"},
        std::pair{"OnlyLinks", "rm -r maps progs follow document-*"},
        std::pair{"WordOfAnotherVersion",
                  "bpftool map update pinned maps/lk_word key 0 0 0 0 value 1 0 0 0 99 0 0 0"},
        std::pair{
            "Garbage",
            "mkdir -p links/uplink-7x links/cgroup-x stale-1/links/uplink-1 stale-x x/y/z document-x && "
            "bpftool map create links/uplink-99999999999 type array key 4 value 4 entries 1 name x && "
            "bpftool map create links/clsact--1 type array key 4 value 4 entries 1 name x && "
            "ln -s / links/uplink-8 && ln -s nowhere links/guard-x && ln -s .. stale-2"}),
    [](const auto &given) { return given.param.first; });

TEST_F(DetachAll, TheDeviceIsGone) {
    attach();
    world_.host().ip("link del eth0");
    const Output detached = world_.leakbpf({"detach", "--all"});
    EXPECT_EQ(detached.status, 0) << detached.err;
    EXPECT_EQ(pins(), none);
    EXPECT_TRUE(eventually([] { return processes() == none; }));
}

TEST_F(DetachAll, TheFollowerIsStopped) {
    attach();
    const pid_t pid = world_.follower();
    ASSERT_GT(pid, 0);
    ASSERT_EQ(kill(pid, SIGSTOP), 0);
    opens();
}

// Stopped by Ctrl-Z in the middle, it holds the lock for ever.
TEST_F(DetachAll, AnAttachIsStopped) {
    attach();
    const std::string locked = directory();
    const auto held = [&] {
        const lk::Fd fd(open(locked.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return fd && flock(fd.get(), LOCK_EX | LOCK_NB) != 0;
    };
    const pid_t follower = world_.follower();
    ASSERT_EQ(kill(follower, SIGSTOP), 0); // it takes the lock too
    std::optional<Background> attaches;
    for (int round = 0; round < 50 && !(attaches && attaches->alive() && held()); ++round) {
        attaches.emplace(std::vector<std::string>{leakbpf_binary(), "--bpffs", Sandbox::current().bpffs(),
                                                  "--cgroup-root", Sandbox::current().cgroup_root(), "attach",
                                                  "eth0", "--lockdown", "--no-follow"},
                         RunOptions{.netns = world_.host().fd()}, "/dev/null");
        EXPECT_TRUE(eventually([&] { return held() || !attaches->alive(); }));
        kill(attaches->pid(), SIGSTOP);
    }
    ASSERT_TRUE(held());
    EXPECT_EQ(world_.leakbpf({"detach"}).status, static_cast<int>(Exit::busy));
    const Output detached = world_.leakbpf({"detach", "--all"});
    EXPECT_EQ(detached.status, 0) << detached.err;
    EXPECT_TRUE(world_.leaks());
    EXPECT_EQ(pins(), none);
    EXPECT_FALSE(attaches->alive());
}

// The links live on, because somebody holds them open, and nothing of ours tells where they are.
TEST_F(DetachAll, ThePinsAreGoneAndTheLinksLive) {
    for (const char *hook : hooks) {
        if (!can(hook)) continue;
        attach(hook, {"--no-follow"});
        std::vector<lk::Fd> held;
        for (const std::string &pin : pins())
            if (pin.find("/links/") != std::string::npos)
                if (auto opened = lk::open_pin(pin); opened.error == 0) held.push_back(std::move(opened.fd));
        ASSERT_FALSE(held.empty());
        ASSERT_EQ(run({"rm", "-r", Sandbox::current().bpffs() + "/leakbpf"}).status, 0);
        ASSERT_FALSE(world_.leaks());
        opens();
    }
}

// As where the bpffs was mounted for one service only, whose follower would put everything back.
TEST_F(DetachAll, ThePinsCannotBeSeenFromHere) {
    for (const char *hook : hooks) {
        if (!can(hook)) continue;
        for (const char *elsewhere : {"/", "/nowhere"}) {
            attach(hook);
            EXPECT_NE(processes(), none);
            const Output detached =
                run({leakbpf_binary(), "--bpffs", elsewhere, "--cgroup-root", "/nowhere", "detach", "--all"},
                    {.netns = world_.host().fd()});
            EXPECT_EQ(detached.status, 0) << detached.err;
            EXPECT_EQ(processes(), none);
            EXPECT_TRUE(world_.leaks());
        }
        opens();
    }
}

TEST_F(DetachAll, TheCgroupRootIsGone) {
    const Sandbox &sandbox = Sandbox::current();
    const std::string cgroup = sandbox.cgroup_root() + "/gone";
    ASSERT_EQ(mkdir(cgroup.c_str(), 0755), 0);
    const auto leakbpf_there = [&](const std::vector<std::string> &args) {
        std::vector<std::string> words{leakbpf_binary(), "--bpffs", sandbox.bpffs(), "--cgroup-root", cgroup};
        words.insert(words.end(), args.begin(), args.end());
        return run(words, {.netns = world_.host().fd()});
    };
    const Output attached = leakbpf_there({"attach", "eth0", "--lockdown"});
    ASSERT_EQ(attached.status, 0) << attached.err;
    ASSERT_EQ(rmdir(cgroup.c_str()), 0);
    const Output detached = leakbpf_there({"detach", "--all"});
    EXPECT_EQ(detached.status, 0) << detached.err;
    opens();
}

// Another network namespace is none of our business, however alike it looks.
TEST_F(DetachAll, LeavesOthersAlone) {
    CliWorld other("kept");
    ASSERT_EQ(other.attach().status, 0);
    attach();
    EXPECT_EQ(world_.leakbpf({"detach", "--all"}).status, 0);
    EXPECT_TRUE(world_.leaks());
    EXPECT_FALSE(other.leaks());
    EXPECT_EQ(other.leakbpf({"status"}).status, 0);
    EXPECT_EQ(world_.leakbpf({"detach", "--all"}).status, 0) << "none is no error";
}
