// SPDX-License-Identifier: MIT
// setsockopt, sock_create, and what `leakbpf watch` tells of the socket hooks, in the real kernel.
#include <sys/prctl.h>

#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/kernel.h"
#include "netns/hooks_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

HookWorld *world = nullptr;

class World : public testing::Environment {
    void SetUp() override {
        world = new HookWorld("hkg");
        world->attach("both");
    }
    void TearDown() override {
        delete world;
        world = nullptr;
    }
};
const auto *const registered = testing::AddGlobalTestEnvironment(new World);

Fd socket_of(GuardSocket kind) {
    switch (kind) {
    case GuardSocket::packet: return Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    case GuardSocket::xdp: return Fd(::socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0));
    case GuardSocket::udp: return Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    }
    return {};
}

class HooksGuard : public testing::TestWithParam<GuardCase> {};
class HooksMark : public testing::TestWithParam<MarkCase> {};
class HooksEvents : public testing::Test {};

} // namespace

TEST_P(HooksGuard, AsThePageSays) {
    const GuardCase &c = GetParam();
    const std::uint64_t before = world->count(LK_HOOK_SETSOCKOPT, LK_BYPASS);
    int error = 0;
    int receive_buffer = 0;
    world->inside(c.other_netns ? Maker::other_netns : Maker::user, [&] {
        const Fd fd = socket_of(c.socket);
        ASSERT_TRUE(fd) << strerror(errno);
        std::vector<char> value(c.length_bytes);
        memcpy(value.data(), &c.value, std::min<std::size_t>(sizeof(c.value), value.size()));
        error = setsockopt(fd.get(), c.level, c.option, value.data(), c.length_bytes) == 0 ? 0 : errno;
        socklen_t length = sizeof(receive_buffer);
        getsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, &length);
    });
    // Before Linux 5.15 the hook cannot tell namespaces apart, and holds for all of them.
    const bool refused = c.reason == "bypass" || (c.other_netns && !kernel_is_at_least(5, 15));
    EXPECT_EQ(error, refused ? EPERM : c.error) << strerror(error);
    if (c.level == SOL_SOCKET && c.option == SO_RCVBUF) {
        EXPECT_EQ(receive_buffer, 2 * c.value); // it was heard
    }
    EXPECT_EQ(world->count(LK_HOOK_SETSOCKOPT, LK_BYPASS) - before, refused ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(Page, HooksGuard, testing::ValuesIn(guard_cases()),
                         [](const auto &test) { return test.param.name; });

// A value that needs more than a page arrives whole: the last source is beyond what the hook is shown.
TEST(HooksGuardLongValue, ArrivesWhole) {
    world->host().sysctl("ipv4/igmp_max_msf", "64");
    world->inside(Maker::user, [&] {
        const Fd fd = socket_of(GuardSocket::udp);
        ip_mreqn join{};
        inet_pton(AF_INET, "239.1.2.3", &join.imr_multiaddr);
        join.imr_ifindex = world->host().ifindex("up0");
        ASSERT_EQ(setsockopt(fd.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)), 0)
            << strerror(errno);
        constexpr unsigned sources = 40;
        std::vector<char> value(GROUP_FILTER_SIZE(sources));
        ASSERT_GT(value.size(), 4096u);
        auto *filter = reinterpret_cast<group_filter *>(value.data());
        const auto put = [](sockaddr_storage *where, const std::string &text) {
            const SockAddr address(Ip::of(text.c_str()), 0);
            memcpy(where, &address.storage, sizeof(*where));
        };
        filter->gf_interface = static_cast<unsigned>(join.imr_ifindex);
        filter->gf_fmode = MCAST_INCLUDE;
        filter->gf_numsrc = sources;
        put(&filter->gf_group, "239.1.2.3");
        for (unsigned i = 0; i < sources; ++i)
            put(&filter->gf_slist[i], fmt::format("10.0.0.{}", i + 1));
        ASSERT_EQ(setsockopt(fd.get(), IPPROTO_IP, MCAST_MSFILTER, value.data(),
                             static_cast<socklen_t>(value.size())),
                  0)
            << strerror(errno);
        std::fill(reinterpret_cast<char *>(filter->gf_slist), value.data() + value.size(), 0);
        auto length = static_cast<socklen_t>(value.size());
        ASSERT_EQ(getsockopt(fd.get(), IPPROTO_IP, MCAST_MSFILTER, value.data(), &length), 0)
            << strerror(errno);
        EXPECT_EQ(filter->gf_numsrc, sources);
        bool last = false;
        for (unsigned i = 0; i < sources; ++i)
            last |= reinterpret_cast<sockaddr_in *>(&filter->gf_slist[i])->sin_addr.s_addr ==
                    htonl(0x0a000000 + sources);
        EXPECT_TRUE(last);
    });
}

TEST_P(HooksMark, AsThePageSays) {
    const MarkCase &c = GetParam();
    world->inside(c.maker, [&] {
        const Fd fd = HookWorld::socket(c.maker, c.family, c.type);
        const auto mark = world->mark(fd);
        ASSERT_EQ(mark.has_value(), c.marked);
        if (!mark) return;
        EXPECT_EQ(mark->uid, c.maker == Maker::vpn_user ? vpn_uid : user_uid);
        EXPECT_EQ(mark->pid, world->kernel_pid());
        EXPECT_EQ(std::string(mark->comm),
                  std::string(program_invocation_short_name).substr(0, LK_COMM_LEN - 1));
        // The mark is what the uplink goes by: the process is root again.
        const char *server = c.family == AF_INET ? "198.51.100.53" : "2001:db8:7::53";
        EXPECT_EQ(ask(fd.get(), SockAddr(Ip::of(server), 80), c.type).end,
                  c.passes ? std::string(server) + ":80" : "refused");
    });
}

INSTANTIATE_TEST_SUITE_P(Page, HooksMark, testing::ValuesIn(mark_cases()),
                         [](const auto &test) { return test.param.name; });

TEST_F(HooksEvents, EveryProcessHasItsOwnPidAndCommand) {
    const std::uint32_t mine = world->kernel_pid();
    EXPECT_NE(mine, 0u);
    EXPECT_EQ(as({},
                 [&] {
                     const std::uint32_t other = world->kernel_pid();
                     if (other == 0 || other == mine) throw std::runtime_error(fmt::format("pid {}", other));
                     prctl(PR_SET_NAME, "another name");
                     world->inside(Maker::user, [&] {
                         const auto mark = world->mark(HookWorld::socket(Maker::user, AF_INET6, SOCK_STREAM));
                         if (!mark || std::string(mark->comm) != "another name")
                             throw std::runtime_error("command");
                     });
                 }),
              "");
}

TEST_F(HooksEvents, WatchTellsWhoItWas) {
    const Sandbox &sandbox = Sandbox::current();
    const std::string log = sandbox.dir() + "/hooks-watch.log";
    const Background watch({leakbpf_binary(), "--bpffs", sandbox.bpffs(), "--cgroup-root",
                            sandbox.cgroup_root(), "--json", "watch"},
                           {.netns = world->host().fd()}, log);
    struct Expected {
        const char *hook, *verdict, *reason, *asked;
        std::function<void()> act;
        nlohmann::json seen = {};
    };
    const auto query = [](int family, const char *asked) {
        const Fd fd = HookWorld::socket(Maker::user, family, SOCK_DGRAM);
        const SockAddr to(Ip::of(asked), 53);
        EXPECT_EQ(connect(fd.get(), to.get(), to.length), 0);
    };
    std::vector<Expected> all = {
        {"connect4", "rewrite", "dns", "198.51.100.53", [&] { query(AF_INET, "198.51.100.53"); }},
        {"connect6", "rewrite", "dns", "2001:db8:7::53", [&] { query(AF_INET6, "2001:db8:7::53"); }},
        {"setsockopt", "refuse", "bypass", nullptr, [] {
             const int on = 1;
             EXPECT_EQ(setsockopt(socket_of(GuardSocket::packet).get(), hooks::sol_packet,
                                  hooks::packet_qdisc_bypass, &on, sizeof(on)),
                       -1);
         }}};
    // The watch starts at its own pace, and begins with what happens then.
    EXPECT_TRUE(eventually(
        [&] {
            for (const Expected &expected : all)
                world->inside(Maker::user, expected.act);
            std::ifstream lines(log);
            for (std::string line; std::getline(lines, line);) {
                const auto json = nlohmann::json::parse(line, nullptr, false);
                if (!json.is_object()) continue; // half a line
                for (Expected &expected : all)
                    if (json["hook"] == expected.hook) expected.seen = json;
            }
            return std::all_of(all.begin(), all.end(), [](const Expected &e) { return e.seen.is_object(); });
        },
        20s));
    for (const Expected &expected : all) {
        ASSERT_TRUE(expected.seen.is_object()) << expected.hook;
        const auto &seen = expected.seen;
        EXPECT_EQ(seen["verdict"], expected.verdict) << seen;
        EXPECT_EQ(seen["reason"], expected.reason) << seen;
        if (seen["hook"] == "setsockopt" && !kernel_is_at_least(6, 1)) { // it cannot know there
            EXPECT_TRUE(seen["pid"].is_null()) << seen;
        } else {
            EXPECT_EQ(seen["pid"], world->kernel_pid()) << seen;
            EXPECT_EQ(seen["command"], std::string(program_invocation_short_name).substr(0, LK_COMM_LEN - 1))
                << seen;
        }
        EXPECT_EQ(seen["uid"], 0) << seen;
        EXPECT_TRUE(seen["device"].is_null()) << seen;
        EXPECT_GT(seen["cgroup_id"], 0) << seen;
        if (expected.asked) {
            EXPECT_EQ(seen["destination"]["address"], expected.asked) << seen;
            EXPECT_EQ(seen["destination"]["port"], 53) << seen;
        } else {
            EXPECT_TRUE(seen["destination"].is_null()) << seen;
        }
    }
}
