// SPDX-License-Identifier: MIT
// connect4, connect6 and getpeername4, getpeername6 in the real kernel, case by case: who gets the query,
// what the caller is shown, and what is counted.
#include <algorithm>

#include <net/if.h>

#include <gtest/gtest.h>

#include "netns/hooks_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

class HooksConnect : public testing::TestWithParam<ConnectCase> {
  protected:
    static void SetUpTestSuite() { world = new HookWorld("hkc"); }
    static void TearDownTestSuite() {
        delete world;
        world = nullptr;
    }
    static HookWorld *world;
};
HookWorld *HooksConnect::world = nullptr;

// Attaching anew costs most: the cases of one policy follow one another.
std::vector<ConnectCase> by_policy() {
    std::vector<ConnectCase> out = connect_cases();
    std::stable_sort(out.begin(), out.end(),
                     [](const auto &a, const auto &b) { return a.policy < b.policy; });
    return out;
}

lk_hook counter_of(const ConnectCase &c) {
    return c.hooks.front() == "connect4" ? LK_HOOK_CONNECT4 : LK_HOOK_CONNECT6;
}

Fd socket_of(const ConnectCase &c) {
    Fd fd = HookWorld::socket(c.maker, c.family, c.type);
    const int only = c.v6only;
    if (c.family == AF_INET6 && setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
        throw std::runtime_error("IPV6_V6ONLY");
    using Bound = ConnectCase::Bound;
    if (c.bound == Bound::device && setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "up0", 3) < 0)
        throw std::runtime_error("SO_BINDTODEVICE");
    const bool mapped = c.asked.starts_with("::ffff:");
    const char *own = c.bound == Bound::port ? (c.family == AF_INET ? "0.0.0.0" : "::")
                      : c.family == AF_INET  ? "10.9.0.2"
                      : mapped               ? "::ffff:10.9.0.2"
                                             : "2001:db8:9::2";
    const SockAddr from(Ip::of(own), 0);
    if ((c.bound == Bound::port || c.bound == Bound::address) && bind(fd.get(), from.get(), from.length) < 0)
        throw std::runtime_error("bind");
    return fd;
}

SockAddr asked_by(const ConnectCase &c) {
    const std::string prefix = "::ffff:";
    const std::string text = c.v4_name ? c.asked.substr(prefix.size()) : c.asked;
    return SockAddr(Ip::of(text.c_str()), static_cast<std::uint16_t>(c.port),
                    c.asked.starts_with("fe80:") ? if_nametoindex("up0") : 0);
}

} // namespace

TEST_P(HooksConnect, AsThePageSays) {
    const ConnectCase &c = GetParam();
    world->attach(c.policy);
    const std::uint64_t before = world->count(counter_of(c), LK_DNS);
    Asked asked;
    world->inside(c.maker, [&] {
        const Fd fd = socket_of(c);
        asked = ask(fd.get(), asked_by(c), c.type, c.named);
    });
    EXPECT_EQ(asked.end, c.end);
    // A refused TCP connect has no peer.
    if (c.end != "unreachable" && !(c.end == "refused" && c.type == SOCK_STREAM)) {
        EXPECT_EQ(asked.peer, fmt::format("{}:{}", c.shown.empty() ? c.asked : c.shown, c.port));
        if (c.type == SOCK_DGRAM && c.end != "refused") {
            EXPECT_EQ(asked.from, asked.peer);
        }
    }
    EXPECT_EQ(world->count(counter_of(c), LK_DNS) - before, c.reason == "dns" ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(Page, HooksConnect, testing::ValuesIn(by_policy()),
                         [](const auto &test) { return test.param.name; });

namespace {

class HooksReconnect : public HooksConnect {};

// What the socket asked before is forgotten when it connects anew.
TEST_P(HooksReconnect, ToAnotherPortShowsTheRealPeer) {
    const ConnectCase &c = GetParam();
    world->attach(c.policy);
    world->inside(c.maker, [&] {
        const Fd fd = socket_of(c);
        for (int turn = 0; turn < (c.type == SOCK_DGRAM ? 2 : 1); ++turn) { // the second with its old address
            const Asked first = ask(fd.get(), asked_by(c), c.type);
            EXPECT_EQ(first.end, c.end);
            EXPECT_EQ(first.peer, c.asked + ":53");
        }
        const auto with = [&](const char *last, int port) {
            ConnectCase other = c;
            other.asked = c.asked.substr(0, c.asked.size() - 2) + last;
            other.port = port;
            return other;
        };
        const ConnectCase gateway = with("7", 80), dns_gateway = with("8", 53);
        if (c.type == SOCK_DGRAM) // at once; the kernel keeps the source address of the first connect
            for (const ConnectCase &then : {gateway, c, dns_gateway, c}) {
                const SockAddr to = asked_by(then);
                ASSERT_EQ(connect(fd.get(), to.get(), to.length), 0) << strerror(errno);
                EXPECT_EQ(peer_of(fd.get()), fmt::format("{}:{}", then.asked, then.port));
            }
        for (const ConnectCase &then : {gateway, dns_gateway}) {
            sockaddr none{};
            none.sa_family = AF_UNSPEC;
            ASSERT_EQ(connect(fd.get(), &none, sizeof(none)), 0) << strerror(errno);
            const Asked second = ask(fd.get(), asked_by(then), c.type);
            EXPECT_EQ(second.peer, fmt::format("{}:{}", then.asked, then.port));
            const bool mapped = then.asked.rfind("::ffff:", 0) == 0;
            EXPECT_EQ(second.end,
                      fmt::format("{}:{}", mapped ? then.asked.substr(7) : then.asked, then.port));
        }
    });
}

std::vector<ConnectCase> rewritten_public() {
    std::vector<ConnectCase> out;
    for (const ConnectCase &c : connect_cases())
        if ((c.policy == "both" || c.policy == "tunnel") && c.name.find("_public_") != std::string::npos &&
            c.reason == "dns")
            out.push_back(c);
    return out;
}

} // namespace

INSTANTIATE_TEST_SUITE_P(Page, HooksReconnect, testing::ValuesIn(rewritten_public()),
                         [](const auto &test) { return test.param.name; });

// A socket that another namespace made and handed in stays with its own namespace.
TEST_F(HooksReconnect, AForeignSocketUsedFromHereIsLeftAlone) {
    world->attach("both");
    Fd fd;
    world->inside(Maker::other_netns, [&] { fd = HookWorld::socket(Maker::user, AF_INET, SOCK_DGRAM); });
    const std::uint64_t before = world->count(LK_HOOK_CONNECT4, LK_DNS);
    world->inside(Maker::user, [&] {
        const Asked asked = ask(fd.get(), SockAddr(Ip::of("198.51.100.53"), 53), SOCK_DGRAM);
        EXPECT_EQ(asked.end, "198.51.100.53:53");
        EXPECT_EQ(asked.peer, "198.51.100.53:53");
    });
    EXPECT_EQ(world->count(LK_HOOK_CONNECT4, LK_DNS), before);
}
