// SPDX-License-Identifier: MIT
// leakbpf portal: HTTP(S) and DNS to the router alone, and the kernel closes it whoever lives.
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "harness/bytes.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using testing::HasSubstr;

namespace {

constexpr const char *router = "10.7.1.1", *router6 = "fe80::1", *elsewhere = "10.7.1.77";
constexpr const char *resolver = "10.43.0.1";

class CliPortal : public testing::Test {
  protected:
    CliPortal() : world_("portal") {
        // Somebody else of the LAN, and a router of the other family.
        world_.host().ip("neigh replace 10.7.1.77 lladdr 02:00:00:07:01:01 dev eth0 nud permanent\n"
                         "addr add fe80::2/64 dev eth0 nodad\n"
                         "neigh replace fe80::1 lladdr 02:00:00:07:01:01 dev eth0 nud permanent");
    }
    Output portal(const std::vector<std::string> &args) const {
        std::vector<std::string> words{"portal"};
        words.insert(words.end(), args.begin(), args.end());
        return world_.leakbpf(words);
    }
    Output locked_down(std::vector<std::string> more = {}) const {
        more.insert(more.begin(), {"eth0", "--lockdown", "--no-lan"});
        return world_.attach(more);
    }
    enum class Way { connected, named };
    // Sends to this port of DST, and waits until that has arrived where it is going to.
    void send(const char *dst, int type, std::uint16_t port, Way way) {
        world_.host().inside([&] {
            const Ip ip = Ip::of(dst);
            const lk::Fd socket(
                ::socket(ip.family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            const SockAddr to(ip, port, std::string(dst).starts_with("fe80:") ? if_nametoindex("eth0") : 0);
            if (type == SOCK_STREAM || way == Way::connected)
                (void)connect(socket.get(), to.get(), to.length);
            if (type == SOCK_DGRAM && way == Way::connected) (void)::send(socket.get(), "probe", 5, 0);
            if (type == SOCK_DGRAM && way == Way::named)
                (void)sendto(socket.get(), "probe", 5, 0, to.get(), to.length);
        });
        world_.capture().settle();
    }
    // True if a packet to this port of DST arrives on the far side.
    bool passes(const char *dst, int type, std::uint16_t port, Way way = Way::named) {
        Mark mark;
        mark.flow(Ip::of(dst), port);
        const std::size_t since = world_.capture().position();
        send(dst, type, port, way);
        return world_.capture().count(mark, since) > 0;
    }
    bool http(const char *dst = router) { return passes(dst, SOCK_STREAM, 80); }
    bool dns(const char *dst = router, Way way = Way::named) { return passes(dst, SOCK_DGRAM, 53, way); }
    // By any socket; not: by none.
    bool all_dns() {
        return dns(router, Way::named) && dns(router, Way::connected) && passes(router, SOCK_STREAM, 53);
    }
    bool any_dns() {
        return dns(router, Way::named) || dns(router, Way::connected) || passes(router, SOCK_STREAM, 53);
    }
    nlohmann::json shown() const { return world_.status().value("portal", nlohmann::json()); }
    bool closed() { return !http() && !any_dns() && shown().is_null(); }

    mutable CliWorld world_;
};

std::string least() {
    return std::to_string(least_time().count());
}
std::chrono::seconds patience() {
    return least_time() + 15s;
}

} // namespace

TEST_F(CliPortal, OpensToTheRouterAloneAndCloses) {
    ASSERT_EQ(locked_down().status, 0);
    ASSERT_TRUE(closed());
    const Output opened = portal({"30m"});
    ASSERT_EQ(opened.status, 0) << opened.err;
    EXPECT_THAT(opened.out, HasSubstr("PORTAL OPEN to 10.7.1.1 (eth0)"));
    EXPECT_THAT(opened.out, HasSubstr("now open http://10.7.1.1/"));
    EXPECT_TRUE(http());
    EXPECT_TRUE(all_dns());
    EXPECT_TRUE(passes(router, SOCK_STREAM, 443));
    EXPECT_FALSE(passes(router, SOCK_STREAM, 22));
    EXPECT_FALSE(http(elsewhere) || dns(elsewhere));
    EXPECT_FALSE(http("203.0.113.9") || dns("203.0.113.9"));
    EXPECT_FALSE(world_.leaks());
    EXPECT_THAT(world_.leakbpf({"status"}).out, HasSubstr("PORTAL OPEN"));
    EXPECT_GT(shown()["seconds_left"], 900);
    EXPECT_EQ(shown()["deadline"].get<std::string>().size(), std::string("2026-01-01T00:00:00Z").size());
    const Output shut = portal({"--close"});
    EXPECT_EQ(shut.status, 0) << shut.err;
    EXPECT_EQ(shut.out, "closed\n");
    EXPECT_TRUE(closed());
    EXPECT_EQ(portal({"--close"}).out, "no portal was open\n");
}

TEST_F(CliPortal, ALinkLocalRouter) {
    world_.host().ip("route add default via fe80::1 dev eth0");
    ASSERT_EQ(locked_down().status, 0);
    ASSERT_FALSE(http(router6) || dns(router6));
    ASSERT_EQ(portal({"30m"}).status, 0);
    EXPECT_TRUE(http(router6));
    EXPECT_TRUE(dns(router6, Way::named));
    EXPECT_TRUE(dns(router6, Way::connected));
    EXPECT_FALSE(passes(router6, SOCK_STREAM, 22));
    EXPECT_EQ(shown()["routers"].size(), 2u);
    ASSERT_EQ(portal({"30m", "--router", router6}).status, 0); // and no other
    EXPECT_TRUE(http(router6));
    EXPECT_FALSE(http());
    EXPECT_EQ(portal({"--close"}).status, 0);
    EXPECT_FALSE(http(router6) || dns(router6));
}

TEST_F(CliPortal, TheKernelClosesItWhenNothingOfOursLives) {
    ASSERT_EQ(locked_down({"--no-follow"}).status, 0);
    ASSERT_EQ(portal({least()}).status, 0);
    ASSERT_EQ(processes(), none);
    EXPECT_TRUE(http());
    ASSERT_TRUE(eventually([&] { return !http(); }, patience()));
    EXPECT_TRUE(closed());
}

TEST_F(CliPortal, TheFollowerTidiesUp) {
    ASSERT_EQ(world_.attach({"eth0", "--strict", "--vpn-user", "900", "--gw", "198.51.100.7"}).status, 0);
    ASSERT_EQ(portal({least()}).status, 0);
    EXPECT_TRUE(dns());
    // Nothing else changes here: without the portal the document is another policy.
    int open_as = 0;
    EXPECT_TRUE(eventually(
        [&] {
            const auto now = world_.status();
            if (now["portal"].is_object()) open_as = now["epoch"];
            return now["portal"].is_null() && now["epoch"] > open_as;
        },
        patience()));
    EXPECT_GT(open_as, 0);
    EXPECT_FALSE(any_dns());
    EXPECT_FALSE(world_.leaks());
    EXPECT_EQ(portal({"--close"}).out, "no portal was open\n");
}

// Queries go to the router only while there is no tunnel for them; that the tunnel comes up in between is
// what a portal is for.
TEST_F(CliPortal, WithTheTunnelUpQueriesGoByIt) {
    Netns vpn("lk-portal-vpn");
    Capture inside(vpn);
    world_.host().ip(
        "link add vpn0 type veth peer name vpn0 netns lk-portal-vpn\naddr add 10.43.0.2/24 dev vpn0");
    vpn.ip("addr add 10.43.0.1/24 dev vpn0\nlink set vpn0 up");
    // Whether a query for the router gets to the resolver, and nowhere else.
    const auto by_tunnel = [&](int type, Way way) {
        Mark at_router, at_resolver;
        at_router.flow(Ip::of(router), 53);
        at_resolver.flow(Ip::of(resolver), 53);
        const std::size_t far_since = world_.capture().position(), since = inside.position();
        send(router, type, 53, way);
        inside.settle();
        return inside.count(at_resolver, since) > 0 && world_.capture().count(at_router, far_since) == 0;
    };
    const auto all_by_tunnel = [&] {
        return by_tunnel(SOCK_DGRAM, Way::named) && by_tunnel(SOCK_DGRAM, Way::connected) &&
               by_tunnel(SOCK_STREAM, Way::connected);
    };
    // What changes at a link is the follower's to see: it has, when status of a policy says so.
    const auto tunnel = [&](const char *state) {
        const int epoch = world_.status()["epoch"];
        world_.host().ip(std::string("link set vpn0 ") + state);
        ASSERT_TRUE(eventually([&] { return world_.status()["epoch"] > epoch; }));
    };
    ASSERT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7", "--dns", resolver, "--tunnel", "vpn0"}).status,
              0);
    ASSERT_FALSE(any_dns());
    ASSERT_EQ(portal({"30m"}).status, 0);
    EXPECT_TRUE(http());
    EXPECT_TRUE(all_dns());

    tunnel("up");
    ASSERT_TRUE(eventually([&] { return by_tunnel(SOCK_DGRAM, Way::named); }));
    EXPECT_TRUE(all_by_tunnel());
    EXPECT_FALSE(any_dns());
    EXPECT_TRUE(http());
    EXPECT_TRUE(shown().is_object());

    tunnel("down");
    ASSERT_TRUE(eventually([&] { return dns(); }));
    EXPECT_TRUE(all_dns());

    ASSERT_EQ(portal({least()}).status, 0);
    tunnel("up");
    ASSERT_TRUE(eventually([&] { return shown().is_null(); }, patience()));
    ASSERT_TRUE(eventually([&] { return by_tunnel(SOCK_DGRAM, Way::named); }));
    EXPECT_TRUE(all_by_tunnel());
    tunnel("down");
    EXPECT_TRUE(eventually([&] { return !any_dns(); }));
    EXPECT_FALSE(world_.leaks());
}

TEST_F(CliPortal, AttachAndApplyCloseIt) {
    const char *told = "the portal that was open is closed";
    const Output first = locked_down();
    ASSERT_EQ(first.status, 0);
    EXPECT_THAT(first.out, testing::Not(HasSubstr(told)));
    ASSERT_EQ(portal({"30m"}).status, 0);
    ASSERT_TRUE(http());
    const Output attached = locked_down();
    ASSERT_EQ(attached.status, 0);
    EXPECT_THAT(attached.out, HasSubstr(told));
    EXPECT_TRUE(closed());

    ASSERT_EQ(portal({"30m"}).status, 0);
    ASSERT_TRUE(http());
    const std::string config = Sandbox::current().dir() + "/portal.toml";
    std::ofstream(config) << "[[scope]]\ninterfaces = [\"eth0\"]\nlockdown = true\nno-lan = true\n";
    const Output applied = world_.leakbpf({"apply", "--config", config});
    ASSERT_EQ(applied.status, 0) << applied.err;
    EXPECT_THAT(applied.out, HasSubstr(told));
    EXPECT_TRUE(closed());
}

TEST_F(CliPortal, KeepAndDetachOfAnotherUplinkLeaveIt) {
    world_.plug("eth1", 2);
    ASSERT_EQ(world_.attach({"eth0", "eth1", "--lockdown", "--no-lan", "--try", "600"}).status, 0);
    ASSERT_EQ(portal({"30m"}).status, 0);
    ASSERT_EQ(world_.leakbpf({"keep"}).status, 0);
    EXPECT_TRUE(http());
    ASSERT_EQ(world_.leakbpf({"detach", "eth1"}).status, 0);
    EXPECT_TRUE(http());
    EXPECT_FALSE(http(elsewhere));
    EXPECT_GT(shown()["seconds_left"], 900);
}

TEST_F(CliPortal, TheEndOfATrialClosesIt) {
    ASSERT_EQ(locked_down().status, 0);
    ASSERT_EQ(locked_down({"--try", least()}).status, 0);
    ASSERT_EQ(portal({"30m"}).status, 0);
    EXPECT_TRUE(eventually([&] { return shown().is_null(); }, patience()));
    EXPECT_TRUE(closed());
    EXPECT_TRUE(world_.status()["trial"].is_null());
}

TEST_F(CliPortal, ASecondCommandHasItsOwnDeadline) {
    ASSERT_EQ(locked_down().status, 0);
    ASSERT_EQ(portal({"10m"}).status, 0);
    ASSERT_LE(shown()["seconds_left"], 600);
    ASSERT_EQ(portal({"25m"}).status, 0);
    EXPECT_GT(shown()["seconds_left"], 600);
    ASSERT_EQ(portal({least()}).status, 0);
    EXPECT_TRUE(eventually([&] { return !http(); }, patience()));
    EXPECT_TRUE(closed());
}

// On a terminal it counts down; what ends that closes the portal, unless it is another's by now.
TEST_F(CliPortal, CtrlCClosesIt) {
    ASSERT_EQ(locked_down().status, 0);
    const lk::Fd terminal(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(terminal && grantpt(terminal.get()) == 0 && unlockpt(terminal.get()) == 0);
    const std::string screen = ptsname(terminal.get());
    const lk::Fd held(open(screen.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC)); // it stays between commands
    const auto start = [&] {
        const Sandbox &sandbox = Sandbox::current();
        return Background({leakbpf_binary(), "--netns", world_.host().path(), "--bpffs", sandbox.bpffs(),
                           "--cgroup-root", sandbox.cgroup_root(), "portal", "30m"},
                          {}, screen);
    };
    for (const int number : {SIGINT, SIGHUP}) {
        Background counting = start();
        ASSERT_TRUE(eventually([&] { return http(); }, patience()));
        ASSERT_TRUE(counting.alive());
        kill(counting.pid(), number);
        EXPECT_TRUE(eventually([&] { return !counting.alive(); }, patience()));
        EXPECT_TRUE(closed()) << "signal " << number;
    }
    Background counting = start();
    ASSERT_TRUE(eventually([&] { return http(); }, patience()));
    ASSERT_EQ(portal({"20m"}).status, 0);
    EXPECT_TRUE(eventually([&] { return !counting.alive(); }, patience()));
    EXPECT_TRUE(http());

    Background again = start();
    ASSERT_TRUE(eventually([&] { return shown()["seconds_left"] > 1200; }, patience()));
    ASSERT_EQ(world_.leakbpf({"detach"}).status, 0);
    EXPECT_TRUE(eventually([&] { return !again.alive(); }, patience()));
}

TEST_F(CliPortal, ARouterThatComesLaterIsNoneOfIt) {
    ASSERT_EQ(locked_down().status, 0);
    ASSERT_EQ(portal({"30m"}).status, 0);
    ASSERT_TRUE(http());
    world_.host().ip("route replace default via 10.7.1.77 dev eth0");
    EXPECT_TRUE(eventually([&] { return !http(); }));
    EXPECT_FALSE(http(elsewhere));
    EXPECT_TRUE(eventually([&] { return shown().is_null(); }));
    // The same address, here or in another network.
    world_.host().ip("route replace default via 10.7.1.1 dev eth0");
    ASSERT_EQ(world_.leakbpf({"keep"}).status, static_cast<int>(Exit::no_trial)); // the follower has the time
    EXPECT_FALSE(eventually([&] { return http(); }, 2s));
    EXPECT_TRUE(closed());
    ASSERT_EQ(portal({"30m"}).status, 0); // asked for anew
    EXPECT_TRUE(http());
    EXPECT_FALSE(http(elsewhere));
}

// The address of the hotspot's router is that of the VPN's resolver.
TEST_F(CliPortal, NotToTheResolversAddress) {
    ASSERT_EQ(world_.attach({"eth0", "--gw", "198.51.100.7", "--dns", router}).status, 0);
    const Output refused = portal({"30m"});
    EXPECT_EQ(refused.status, static_cast<int>(Exit::unsupported));
    EXPECT_THAT(refused.err, HasSubstr("10.7.1.1 (eth0) has the address of a resolver"));
    EXPECT_EQ(portal({"30m", "--router", router}).status, static_cast<int>(Exit::unsupported));
    EXPECT_TRUE(closed());
}

TEST_F(CliPortal, APublicRouterOnlyByItsName) {
    world_.host().ip("neigh replace 203.0.113.1 lladdr 02:00:00:07:01:01 dev eth0 nud permanent\n"
                     "route replace default via 203.0.113.1 dev eth0 onlink");
    ASSERT_EQ(locked_down().status, 0);
    const Output refused = portal({"30m"});
    EXPECT_EQ(refused.status, static_cast<int>(Exit::unsupported));
    EXPECT_THAT(refused.err, HasSubstr("leakbpf portal DURATION --router 203.0.113.1"));
    EXPECT_FALSE(http("203.0.113.1"));
    ASSERT_EQ(portal({"30m", "--router", "203.0.113.1"}).status, 0);
    EXPECT_TRUE(http("203.0.113.1"));
    EXPECT_FALSE(http("203.0.113.9") || http());
}

TEST_F(CliPortal, Errors) {
    EXPECT_EQ(portal({"5m"}).status, static_cast<int>(Exit::not_attached));
    EXPECT_EQ(portal({"--close"}).status, static_cast<int>(Exit::not_attached));
    ASSERT_EQ(locked_down().status, 0);
    world_.host().ip("route del default dev eth0");
    const Output none_there = portal({"5m"});
    EXPECT_EQ(none_there.status, static_cast<int>(Exit::unsupported));
    EXPECT_THAT(none_there.err, HasSubstr("no default route by a router leads over a guarded uplink (eth0)"));
    world_.host().ip("route add default dev eth0"); // without a router
    EXPECT_EQ(portal({"5m"}).status, static_cast<int>(Exit::unsupported));
    EXPECT_FALSE(http());
}
