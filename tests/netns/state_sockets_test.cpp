// SPDX-License-Identifier: MIT
// The socket hooks: marks of sockets that are older than them, and where the hooks are attached. And who
// watches and follows.
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <thread>

#include "kernel/kernel_maps.h"
#include "kernel/process_start.h"
#include "netns/state_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

constexpr uid_t somebody = 10105;

Fd made_by(uid_t uid, int domain, int type) {
    // The socket belongs to whoever the maker is at this moment.
    if (setresuid(uid, uid, 0) != 0) throw std::runtime_error("setresuid");
    Fd fd{::socket(domain, type | SOCK_CLOEXEC, 0)};
    const int error = errno;
    if (setresuid(0, 0, 0) != 0) throw std::runtime_error("setresuid back");
    if (!fd) throw std::runtime_error(strerror(error));
    return fd;
}

class StateSockets : public testing::Test {
  protected:
    StateSockets() : world("sock") {}
    ~StateSockets() override { remove_all(world); }

    void attach() {
        world.inside([&] {
            const auto lock = must(Lock::take(world.place(), 5s));
            auto state = must(State::open_or_create(world.place()));
            must(state.commit(image_for(world.uplink(), gateway_text), document_named("sockets")));
            must(state.attach_cgroup_hooks());
        });
    }
    std::optional<lk_mark> mark(const Fd &socket) const {
        const auto maps = must(KernelMaps::open(Pins{world.place().directory()}.maps()));
        lk_mark value{};
        if (!maps.marks.lookup(socket.get(), value)) return std::nullopt;
        return value;
    }
    StateWorld world;
};

} // namespace

TEST_F(StateSockets, OlderOnesOfThisNamespaceAreMarkedWithTheirMaker) {
    Fd udp, tcp, elsewhere, packet, local;
    world.inside([&] {
        udp = made_by(somebody, AF_INET, SOCK_DGRAM);
        tcp = made_by(somebody, AF_INET6, SOCK_STREAM);
        packet = made_by(0, AF_PACKET, SOCK_DGRAM);
        local = made_by(somebody, AF_UNIX, SOCK_STREAM);
    });
    world.far().inside([&] { elsewhere = made_by(somebody, AF_INET, SOCK_DGRAM); });
    attach();
    for (const auto *socket : {&udp, &tcp}) {
        const auto found = mark(*socket);
        ASSERT_TRUE(found);
        EXPECT_EQ(found->uid, somebody);
        EXPECT_EQ(found->netns_cookie, world.place().netns_cookie);
        EXPECT_EQ(found->pid, static_cast<__u32>(getpid()));
        EXPECT_STREQ(found->comm,
                     std::string{program_invocation_short_name}.substr(0, LK_COMM_LEN - 1).c_str());
    }
    EXPECT_FALSE(mark(packet));
    EXPECT_FALSE(mark(local));
    EXPECT_FALSE(mark(elsewhere));
}

TEST_F(StateSockets, OlderPacketSocketsLoseTheBypass) {
    const auto bypass = [](const Fd &socket) {
        int value = -1;
        socklen_t size = sizeof(value);
        getsockopt(socket.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &value, &size);
        return value;
    };
    const auto bypassing = [&] {
        Fd socket = made_by(0, AF_PACKET, SOCK_DGRAM);
        const int on = 1;
        EXPECT_EQ(setsockopt(socket.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)), 0);
        EXPECT_EQ(bypass(socket), 1);
        return socket;
    };
    Fd here, elsewhere;
    world.inside([&] { here = bypassing(); });
    world.far().inside([&] { elsewhere = bypassing(); });
    attach();
    EXPECT_EQ(bypass(here), 0);
    EXPECT_EQ(bypass(elsewhere), 1);
}

TEST_F(StateSockets, AMarkThatIsThereStays) {
    attach();
    Fd socket;
    world.inside([&] { socket = made_by(somebody, AF_INET, SOCK_DGRAM); });
    auto kept = mark(socket);
    ASSERT_TRUE(kept) << "made after the hook";
    EXPECT_EQ(kept->uid, somebody);
    ASSERT_EQ(fchown(socket.get(), 4711, 0), 0); // what a second walk would read now
    attach();
    EXPECT_EQ(mark(socket)->uid, somebody);
}

TEST_F(StateSockets, OneThatAnotherProcessHoldsIsFound) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        world.inside([&] {
            const Fd socket = made_by(somebody, AF_INET, SOCK_DGRAM);
            (void)!write(ready[1], "x", 1);
            pause();
        });
        _exit(0);
    }
    const Background ended{child};
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    attach();
    const Fd pidfd{static_cast<int>(syscall(SYS_pidfd_open, child, 0))};
    unsigned found = 0;
    for (int number = 3; number < 64; ++number) {
        const Fd socket{static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), number, 0))};
        if (!socket) continue;
        const auto value = mark(socket);
        found += value && value->uid == somebody && value->pid == static_cast<__u32>(child) ? 1 : 0;
    }
    EXPECT_EQ(found, 1u);
    close(ready[0]);
    close(ready[1]);
}

TEST_F(StateSockets, HooksAreWhereTheyWereAskedForAndMoveWithTheirCgroup) {
    attach();
    const auto read_hooks = [&] {
        std::vector<CgroupHook> hooks;
        world.inside([&] { hooks = must(must(State::find(world.place()))->cgroup_hooks()); });
        return hooks;
    };
    ASSERT_EQ(read_hooks().size(), socket_hooks);
    for (const auto &hook : read_hooks()) {
        EXPECT_TRUE(hook.alive) << hook.name;
        EXPECT_EQ(hook.cgroup, world.place().cgroup_root) << hook.name;
    }
    const auto below = world.place().cgroup_root + "/below";
    ASSERT_TRUE(std::filesystem::create_directory(below));
    auto place = world.place();
    place.cgroup_root = below;
    world.inside([&] {
        auto state = must(State::open_or_create(place));
        must(state.attach_cgroup_hooks());
    });
    for (const auto &hook : read_hooks())
        EXPECT_EQ(hook.cgroup, below) << hook.name;
    std::filesystem::remove(below);
    EXPECT_TRUE(eventually([&] {
        for (const auto &hook : read_hooks())
            if (hook.alive) return false;
        return true;
    }));
    attach();
    for (const auto &hook : read_hooks())
        EXPECT_TRUE(hook.alive) << hook.name;
}

TEST_F(StateSockets, WatchTellsWhatIsRefusedAndStops) {
    auto state = attached_state(world, gateway_text);
    world.send("198.51.100.50", "before the watch");
    const Fd stop{eventfd(0, EFD_CLOEXEC)};
    std::vector<lk_event> events;
    std::thread watcher{[&] {
        must(state.watch(stop.get(), [&](const lk_event &event) {
            events.push_back(event);
            return Address::from_abi(event.dst).str() != "198.51.100.52";
        }));
    }};
    // Sent until the watch, which starts at its own pace, has seen one and ended itself.
    std::atomic<bool> over{false};
    std::thread joiner{[&] {
        watcher.join();
        over = true;
    }};
    EXPECT_TRUE(eventually([&] {
        world.send("198.51.100.52", "during the watch");
        return over.load();
    }));
    joiner.join();
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().reason, LK_NOT_ALLOWED);
    EXPECT_EQ(events.back().ifindex, static_cast<__u32>(world.uplink()));
    for (const auto &event : events)
        EXPECT_NE(Address::from_abi(event.dst).str(), "198.51.100.50");

    // One at a time, and ended by the descriptor. The question below takes the place for a moment, too.
    std::thread second{[&] {
        EXPECT_TRUE(
            eventually([&] { return bool{state.watch(stop.get(), [](const lk_event &) { return true; })}; }));
    }};
    world.inside([&] {
        const auto other = must(State::find(world.place()));
        const Fd ended{eventfd(1, EFD_CLOEXEC)};
        EXPECT_TRUE(
            eventually([&] { return !other->watch(ended.get(), [](const lk_event &) { return true; }); }));
    });
    const std::uint64_t one = 1;
    EXPECT_EQ(write(stop.get(), &one, sizeof(one)), 8);
    second.join();
    const auto closed = std::move(state);
}

TEST_F(StateSockets, OneFollowerAtMost) {
    attach();
    world.inside([&] {
        auto state = must(State::find(world.place()));
        EXPECT_FALSE(state->follower());
        int ready[2];
        ASSERT_EQ(pipe(ready), 0);
        const pid_t child = fork();
        if (child == 0) {
            auto mine = must(State::find(world.place()));
            const auto claim = must(mine->claim_follower());
            (void)!write(ready[1], claim ? "y" : "n", 1);
            for (;;)
                pause();
        }
        const Background ended{child};
        char byte = 0;
        ASSERT_EQ(read(ready[0], &byte, 1), 1);
        ASSERT_EQ(byte, 'y');
        EXPECT_EQ(state->follower(), child);
        EXPECT_FALSE(must(state->claim_follower()));
        must(state->end_follower());
        EXPECT_FALSE(state->follower());
        {
            const auto claim = must(state->claim_follower());
            EXPECT_TRUE(claim);
            EXPECT_EQ(state->follower(), getpid());
        }
        EXPECT_FALSE(state->follower()) << "the claim ends with its descriptor";
        must(state->end_follower());
        close(ready[0]);
        close(ready[1]);
    });
}

TEST_F(StateSockets, AFollowerThatIgnoresSigtermEndsToo) {
    attach();
    world.inside([&] {
        auto state = must(State::find(world.place()));
        int ready[2];
        ASSERT_EQ(pipe(ready), 0);
        const pid_t child = fork();
        if (child == 0) {
            signal(SIGTERM, SIG_IGN);
            auto mine = must(State::find(world.place()));
            const auto claim = must(mine->claim_follower());
            (void)!write(ready[1], "y", 1);
            for (;;)
                pause();
        }
        const Background ended{child};
        char byte = 0;
        ASSERT_EQ(read(ready[0], &byte, 1), 1);
        must(state->end_follower());
        EXPECT_FALSE(state->follower());
        close(ready[0]);
        close(ready[1]);
    });
}
