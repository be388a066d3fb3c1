// SPDX-License-Identifier: MIT
// Policies of cgroups over time: commands that are killed, cgroups that come and go by thousands, sockets
// that outlive theirs or change hands.
#include <sys/socket.h>

#include <deque>
#include <random>
#include <thread>

#include "cgroup_world.h"
#include "control/cgroups.h"
#include "kernel/scope_maps.h"

using namespace lk;
using namespace lk::harness;

namespace {

constexpr const char *gateway = "198.51.100.7", *gateway_b = "198.51.100.8", *other = "203.0.113.9";

Fd datagram_socket() {
    return Fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

bool sends(const Fd &socket, const std::string &dst, std::uint16_t port = 4000) {
    const SockAddr to(Ip::of(dst.c_str()), port);
    return sendto(socket.get(), "probe", 5, 0, to.get(), to.length) == 5;
}

Mark to_port(const char *dst, std::uint16_t port) {
    Mark mark;
    mark.flow(Ip::of(dst), port);
    return mark;
}

// leakbpf ARGS in the background, which somebody kills.
Background background(CgroupWorld &world, const std::vector<std::string> &args) {
    const Sandbox &sandbox = Sandbox::current();
    std::vector<std::string> words{leakbpf_binary(), "--bpffs", sandbox.bpffs(), "--cgroup-root",
                                   sandbox.cgroup_root()};
    words.insert(words.end(), args.begin(), args.end());
    return {words, {.netns = world.host().fd()}, sandbox.dir() + "/killed.log"};
}

void kill_all_in(const std::string &cgroup) {
    std::ifstream processes(cgroup + "/cgroup.procs");
    for (pid_t pid = 0; processes >> pid;)
        kill(pid, SIGKILL);
}

} // namespace

// The old policy or the new one, whole; and after it everything works.
TEST(CgroupLife, AttachIsKilledAtAnyMoment) {
    CgroupWorld world("kill");
    const Cgroup cgroup("in");
    std::mt19937 random(3);
    int killed = 0;
    for (int round = 0; round < 40; ++round) {
        const bool fresh = round % 4 == 3;
        if (fresh)
            world.free(cgroup);
        else
            ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0) << round;
        {
            Background attach = background(world, {"attach", "--cgroup", "in", "--gw", gateway_b});
            std::this_thread::sleep_for(std::chrono::microseconds(random() % (fresh ? 100'000 : 20'000)));
            if (attach.alive()) ++killed;
            attach.end(SIGKILL);
        }
        if (!fresh) {
            EXPECT_FALSE(world.passes(cgroup, other)) << round;
            EXPECT_NE(world.passes(cgroup, gateway), world.passes(cgroup, gateway_b)) << round;
        }
        const int status = world.leakbpf({"status", "--cgroups"}).status;
        EXPECT_TRUE(status == 0 || status == 6 || (fresh && status == 7)) << round << ": " << status;
        const Output again = world.guard(cgroup, {"--gw", gateway_b});
        ASSERT_EQ(again.status, 0) << round << ": " << again.err;
        EXPECT_EQ(world.leakbpf({"status", "--cgroups"}).status, 0) << round;
        EXPECT_FALSE(world.passes(cgroup, other)) << round;
        EXPECT_TRUE(world.passes(cgroup, gateway_b)) << round;
    }
    EXPECT_GT(killed, 10);
    ASSERT_EQ(world.free(cgroup).status, 0);
    EXPECT_EQ(pins(), none);
}

TEST(CgroupLife, RunIsKilledAtAnyMoment) {
    CgroupWorld world("krun");
    const Cgroup kept(
        "kept"); // so that the programs are there already, and most rounds come as far as the command
    ASSERT_EQ(world.guard(kept, {"--gw", gateway}).status, 0);
    const Mark forbidden = to_port(other, 4000), allowed = to_port(gateway, 4000);
    std::mt19937 random(4);
    for (int round = 0; round < 20; ++round) {
        Background command = background(
            world, {"run", "--gw", gateway, "--unit", "job.scope", "--", "bash", "-c",
                    "for dst in 203.0.113.9 198.51.100.7; do echo x >/dev/udp/$dst/4000; done; sleep 60"});
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 100'000));
        command.end(SIGKILL);
        const Cgroup job("job.scope");
        EXPECT_TRUE(eventually([&] {
            kill_all_in(job.path());
            return contents(job.path() + "/cgroup.procs").empty();
        }));
        world.free(job); // where it had one already
    }
    world.capture().settle();
    EXPECT_EQ(world.capture().count(forbidden), 0u);
    EXPECT_GT(world.capture().count(allowed), 0u); // some of them began
}

// Ids that the kernel gives anew would be found here: a policy that belonged to another.
TEST(CgroupLife, TenThousandComeAndGo) {
    constexpr unsigned count = 10'000, at_once = 64;
    CgroupWorld world("10k");
    const Cgroup kept("kept");
    ASSERT_EQ(world.guard(kept, {"--gw", gateway}).status, 0);
    const auto place = find_scope_place(Sandbox::current().bpffs(), Sandbox::current().cgroup_root());
    ASSERT_TRUE(place);
    const auto gateway_of = [](unsigned index) {
        return fmt::format("198.18.{}.{}", index % at_once, 1 + index % 251);
    };
    struct Living {
        unsigned index;
        std::unique_ptr<Cgroup> cgroup;
        Fd socket;
    };
    const auto trouble = as(
        {.netns = world.host().fd()},
        [&] {
            std::deque<Living> living;
            const auto must = [](bool good, const char *what, unsigned index) {
                if (!good) throw std::runtime_error(fmt::format("{} of cgroup {}", what, index));
            };
            const auto end_oldest = [&] {
                Living oldest = std::move(living.front());
                living.pop_front();
                oldest.cgroup.reset(); // the socket stays a moment longer
                must(!sends(oldest.socket, other), "a socket that was left got out", oldest.index);
                must(!sends(oldest.socket, gateway_of(oldest.index + 1)), "a socket had another policy",
                     oldest.index);
            };
            for (unsigned index = 0; index < count; ++index) {
                Living next{index, std::make_unique<Cgroup>(fmt::format("c{}", index)), {}};
                Policy policy;
                policy.gateways.push_back(*Gateway::parse(gateway_of(index)));
                if (const auto done = attach_cgroups(*place, {next.cgroup->name()}, normalise(policy)); !done)
                    throw std::runtime_error(done.error().message);
                next.cgroup->enter();
                next.socket = datagram_socket();
                kept.enter();
                must(sends(next.socket, gateway_of(index)), "the gateway", index);
                must(!sends(next.socket, gateway_of(index + 1)), "somebody else's gateway", index);
                living.push_back(std::move(next));
                if (living.size() == at_once) end_oldest();
            }
            while (!living.empty())
                end_oldest();
        },
        std::chrono::seconds(240));
    EXPECT_EQ(trouble, "");
    EXPECT_TRUE(world.passes(kept, gateway));
    EXPECT_FALSE(world.passes(kept, other));
    // Nothing of them is left, once the kernel has let go.
    const auto left = [&] {
        const Result<Lock> lock = lock_scopes(*place, std::chrono::seconds(10));
        auto state = ScopeState::open_or_create(*place);
        if (!state || !state->tidy(2 * count)) return std::size_t{0};
        return state->entries()->size();
    };
    EXPECT_TRUE(eventually([&] { return left() == 1; }, std::chrono::seconds(20))) << left();
}

TEST(CgroupLife, ItIsRemovedWhileItsTrafficFlows) {
    CgroupWorld world("flow");
    const Cgroup elsewhere("else"), next("next");
    auto cgroup = std::make_unique<Cgroup>("in");
    ASSERT_EQ(world.guard(*cgroup, {"--gw", gateway}).status, 0);
    const std::string moved = Sandbox::current().dir() + "/moved";
    const Helper sender({.netns = world.host().fd()}, [&](const std::function<void()> &ready) {
        cgroup->enter();
        const Fd socket = datagram_socket();
        for (int turn = 0;; ++turn) {
            if (sends(socket, other, 4001)) _exit(1);
            if (!sends(socket, gateway, 4002)) _exit(2);
            if (turn == 0) ready();
            if (turn == 100) {
                elsewhere.enter();
                std::ofstream(moved) << "yes";
            }
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    });
    ASSERT_TRUE(eventually([&] { return contents(moved) == "yes"; }));
    cgroup.reset();
    for (int turn = 1; turn <= 8; ++turn) // each looks for cgroups that are gone
        ASSERT_EQ(world.guard(next, {"--gw", fmt::format("192.0.2.{}", turn)}).status, 0);
    const auto since = world.capture().position();
    EXPECT_TRUE(world.capture().awaits(to_port(gateway, 4002), since)); // it flows, still
    EXPECT_EQ(world.capture().count(to_port(other, 4001)), 0u);
    EXPECT_TRUE(world.passes(elsewhere, other));

    // The same name again is another cgroup, without a policy; what the first left keeps its own.
    cgroup = std::make_unique<Cgroup>("in");
    EXPECT_TRUE(world.passes(*cgroup, other));
    ASSERT_EQ(world.guard(*cgroup, {"--gw", other}).status, 0);
    EXPECT_TRUE(world.passes(*cgroup, other));
    EXPECT_FALSE(world.passes(*cgroup, gateway));
    const auto later = world.capture().position();
    EXPECT_TRUE(world.capture().awaits(to_port(gateway, 4002), later));
    EXPECT_EQ(world.capture().count(to_port(other, 4001)), 0u);
}

// A socket of CGROUP in our hands.
Fd socket_of(CgroupWorld &world, const Cgroup &cgroup) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) throw std::runtime_error("socketpair");
    const Fd ours(pair[0]), theirs(pair[1]);
    world.inside(cgroup, [&] {
        send_fd(theirs.get(), datagram_socket().get());
        return 0;
    });
    return receive_fd(ours.get());
}

// As the page cache holds removed cgroups for ever where there is a memory controller.
TEST(CgroupLife, ARemovedOneIsForgottenThoughAnotherIsHeld) {
    CgroupWorld world("held");
    auto held = std::make_unique<Cgroup>("held"), cgroup = std::make_unique<Cgroup>("in");
    const Cgroup below("in/below"), next("next");
    const Fd holder = socket_of(world, *held);
    held.reset();
    ASSERT_EQ(world.guard(*cgroup, {"--gw", gateway}).status, 0);
    Fd left = socket_of(world, below);
    ASSERT_TRUE(below.remove());
    cgroup.reset();
    int turn = 0;
    const auto is_known = [&] {
        EXPECT_EQ(world.guard(next, {"--gw", fmt::format("192.0.2.{}", ++turn % 250)}).status, 0);
        return world.leakbpf({"status", "--cgroups"}).out.find("cgroup in,") != std::string::npos;
    };
    for (int again = 0; again < 5; ++again)
        EXPECT_TRUE(is_known());
    EXPECT_FALSE(sends(left, other));
    EXPECT_TRUE(sends(left, gateway));
    left.reset();
    EXPECT_TRUE(eventually([&] { return !is_known(); }));
    EXPECT_EQ(contents(Sandbox::current().cgroup_root() + "/cgroup.stat").find("nr_dying_descendants 0"),
              std::string::npos);
}

TEST(CgroupLife, WhatRemovedOnesLeftIsTakenOffByHand) {
    CgroupWorld world("byhand");
    auto cgroup = std::make_unique<Cgroup>("in");
    const Cgroup living("living");
    ASSERT_EQ(world.leakbpf({"attach", "--cgroup", "in", "--cgroup", "living", "--gw", gateway}).status, 0);
    const Fd left = socket_of(world, *cgroup);
    cgroup.reset();
    EXPECT_FALSE(sends(left, other));
    const Output gone = world.leakbpf({"detach", "--cgroup", "--gone"});
    EXPECT_EQ(gone.status, 0) << gone.err;
    EXPECT_EQ(gone.out, "set free: cgroup in\n");
    EXPECT_TRUE(sends(left, other));
    EXPECT_FALSE(world.passes(living, other));
    EXPECT_EQ(world.leakbpf({"detach", "--cgroup", "--gone", "--cgroup", "living"}).status, 2);
    EXPECT_EQ(world.leakbpf({"detach", "--cgroup", "--gone"}).status, 0);
    EXPECT_EQ(world.leakbpf({"detach", "--cgroup", "--all"}).status, 0);
    EXPECT_TRUE(world.passes(living, other));
    EXPECT_EQ(pins(), none);
    EXPECT_EQ(world.leakbpf({"detach", "--cgroup", "--gone"}).status, 7);
    EXPECT_EQ(world.leakbpf({"detach", "--cgroup", "--all"}).status, 0);
}

// Of another version, and with a pin that somebody removed.
TEST(CgroupLife, AllIsTakenOffHoweverBroken) {
    CgroupWorld world("broken");
    const Cgroup cgroup("in");
    const auto place = find_scope_place(Sandbox::current().bpffs(), Sandbox::current().cgroup_root());
    ASSERT_TRUE(place);
    const auto before = std::filesystem::path(place->directory()).parent_path() / "cgroups-77-v0";
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    std::filesystem::rename(place->directory(), before);
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    std::filesystem::remove(before / "maps/lk_scope_word");
    std::filesystem::remove(place->directory() + "/maps/lk_scope_rows");
    EXPECT_FALSE(world.passes(cgroup, other));
    const Output one = world.free(cgroup);
    EXPECT_NE(one.status, 0);
    EXPECT_NE(one.err.find("detach --cgroup --all"), std::string::npos) << one.err;
    EXPECT_FALSE(world.passes(cgroup, other));
    const Output all = world.leakbpf({"detach", "--cgroup", "--all"});
    EXPECT_EQ(all.status, 0) << all.err;
    EXPECT_TRUE(world.passes(cgroup, other));
    EXPECT_EQ(pins(), none);
}

// Sockets need not look again for what is as it was.
TEST(CgroupLife, TheSamePolicyAgainChangesNothing) {
    CgroupWorld world("same");
    const Cgroup cgroup("in");
    const auto place = find_scope_place(Sandbox::current().bpffs(), Sandbox::current().cgroup_root());
    ASSERT_TRUE(place);
    const auto state = [&] { return ScopeMaps::open(place->directory() + "/maps")->state(); };
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    const auto before = state();
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    EXPECT_EQ(state().generation, before.generation);
    EXPECT_EQ(state().next_id, before.next_id);
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway_b}).status, 0);
    EXPECT_GT(state().generation, before.generation);
}

// Its maker's cgroup, when its process moves and when it is passed on.
TEST(CgroupLife, ASocketKeepsThePolicyOfWhereItWasMade) {
    CgroupWorld world("pass");
    const Cgroup a("a"), b("b");
    ASSERT_EQ(world.guard(a, {"--gw", gateway}).status, 0);
    ASSERT_EQ(world.guard(b, {"--gw", gateway_b}).status, 0);
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    const Fd from_a(pair[0]), to_b(pair[1]);
    const auto reach = [](const Fd &socket) {
        return (sends(socket, gateway) ? 1 : 0) + (sends(socket, gateway_b) ? 2 : 0) +
               (sends(socket, other) ? 4 : 0);
    };
    EXPECT_EQ(world.inside(a,
                           [&] {
                               const Fd socket = datagram_socket();
                               const int before = reach(socket);
                               b.enter(); // it takes its socket with it
                               send_fd(from_a.get(), socket.get());
                               return before * 100 + reach(socket) * 10 + reach(datagram_socket());
                           }),
              112);
    EXPECT_EQ(world.inside(b,
                           [&] {
                               const Fd passed = receive_fd(to_b.get());
                               return reach(passed) * 10 + reach(datagram_socket());
                           }),
              12);
    const Cgroup free("free");
    EXPECT_EQ(world.inside(free,
                           [&] {
                               const Fd old = datagram_socket();
                               a.enter();
                               return reach(old) * 10 + reach(datagram_socket());
                           }),
              71);
}

// Accepted connections have their listener's policy, and its replacement holds for them.
TEST(CgroupLife, AServiceAnswersItsLanOnly) {
    CgroupWorld world("serv");
    const Cgroup cgroup("in");
    world.far().ip("neigh replace 10.7.1.2 lladdr 02:00:00:07:01:02 dev far-eth0 nud permanent");
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    Puppet service({.netns = world.host().fd()}, [&](const std::function<void()> &next) {
        cgroup.enter();
        const SockAddr at(Ip::of("10.7.1.2"), 8080);
        const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (bind(listener.get(), at.get(), at.length) != 0 || listen(listener.get(), 8) != 0)
            throw std::runtime_error("listen");
        next();
        const Fd connection(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (send(connection.get(), "first", 5, 0) != 5) throw std::runtime_error("send");
        next();
        send(connection.get(), "second", 6, 0); // TCP takes it, and tries
        next();
    });
    const Fd client = [&] {
        Fd made;
        world.far().inside(
            [&] { made = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); });
        return made;
    }();
    const SockAddr service_at(Ip::of("10.7.1.2"), 8080);
    const auto connected = [&](int fd) {
        return connect(fd, service_at.get(), service_at.length) == 0 || errno == EISCONN;
    };
    const auto since = world.capture().position();
    EXPECT_FALSE(connected(client.get()));
    world.capture().settle();
    Mark answer; // from port 8080
    answer.bytes(Ip::of("10.7.1.2").bytes() + Ip::of("10.7.1.1").bytes() + be16(8080));
    EXPECT_EQ(world.capture().count(answer, since), 0u);
    EXPECT_FALSE(connected(client.get()));

    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--lan", "10.7.1.0/24"}).status, 0);
    ASSERT_TRUE(eventually([&] { return connected(client.get()); })); // its SYN comes again
    ASSERT_EQ(service.step(), "");
    Mark first, second;
    first.bytes("first");
    second.bytes("second");
    EXPECT_TRUE(world.capture().awaits(first, since));
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    ASSERT_EQ(service.step(), "");
    world.capture().settle();
    EXPECT_EQ(world.capture().count(second, since), 0u);
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--lan", "10.7.1.0/24"}).status, 0);
    EXPECT_TRUE(world.capture().awaits(second, since));
}
