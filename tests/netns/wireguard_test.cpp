// SPDX-License-Identifier: MIT
// WireGuard of the kernel, with the filter on the device below it: handshake, traffic, rekeying, and a server
// that changes its port. What its packets carry of the application that caused them decides nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/vpn.h"
#include "harness/wireguard.h"
#include "harness/world.h"

using namespace lk::harness;

namespace {

constexpr std::uint16_t server_port = 51820, other_port = 51821;
constexpr const char *mark = "51820";
const Bytes token = "lk<inside-wireguard>", direct = "lk<beside-the-tunnel>";
const Ip inner4 = Ip::of("10.43.0.1"), inner6 = Ip::of("2001:db8:43::1");
const Ip client_inner4 = Ip::of("10.43.0.2");
const Ip elsewhere4 = Ip::of("203.0.113.200"), elsewhere6 = Ip::of("2001:db8:f:8000::200");

struct Policy {
    const char *name;
    const char *port; // of the gateway's entry
    bool strict;
};

// One world, the tunnel's both ends in it: wg0 of the host and of the provider, who is the gateway too.
class Tunnel {
  public:
    Tunnel(int family, bool marked)
        : world({.name = "wg", .container = false, .responder = false}),
          gateway(family == 4 ? gateway4 : gateway6), elsewhere(family == 4 ? elsewhere4 : elsewhere6) {
        // The server speaks from an address that it really has, also when it speaks first.
        world.isp().ip("addr add 198.51.100.7/32 dev lo\naddr add 2001:db8:100::7/128 dev lo nodad\n"
                       "route add 10.9.0.2/32 dev h0 src 198.51.100.7\n"
                       "link add wg0 type wireguard");
        world.host().ip("link add wg0 type wireguard");
        at_isp({"private-key", far_.path, "listen-port", std::to_string(server_port)});
        know_client();
        at_host({"private-key", near_.path, "fwmark", marked ? mark : "0"});
        add_peer();
        world.isp().ip("link set wg0 addrgenmode none\nlink set wg0 up\naddr add 10.43.0.1/24 dev wg0\n"
                       "addr add 2001:db8:43::1/64 dev wg0 nodad");
        world.host().ip("link set wg0 addrgenmode none\nlink set wg0 up\naddr add 10.43.0.2/24 dev wg0\n"
                        "addr add 2001:db8:43::2/64 dev wg0 nodad\nroute add default dev wg0 metric 10");
    }

    World world;
    const Ip gateway, elsewhere;

    void at_isp(const std::vector<std::string> &words) { wg_set(world.isp(), "wg0", words); }
    void at_host(const std::vector<std::string> &words) { wg_set(world.host(), "wg0", words); }

    void add_peer() {
        at_host({"peer", far_.pub, "allowed-ips", "0.0.0.0/0,::/0", "endpoint",
                 wg_endpoint(gateway, server_port)});
    }
    void know_client() { at_isp({"peer", near_.pub, "allowed-ips", "10.43.0.2/32,2001:db8:43::2/128"}); }
    void forget_client() { at_isp({"peer", near_.pub, "remove"}); }
    void remove_peer() { at_host({"peer", far_.pub, "remove"}); }
    std::string show(const char *what) {
        return must_say({"wg", "show", "wg0", what}, {.netns = world.host().fd()});
    }

    void attach(const Policy &policy) {
        std::vector<std::string> args = {"eth0", "--no-follow", "--gw",
                                         gateway.family == 6 && *policy.port
                                             ? "[" + gateway.str() + "]" + policy.port
                                             : gateway.str() + policy.port};
        if (policy.strict) args.insert(args.end(), {"--strict", "--vpn-mark", mark});
        world.attach(args);
    }

    bool answers(const Ip &to = inner4) { return pings(world.host(), to, token); }
    bool comes_up() {
        return eventually([&] { return answers(); }, 20s);
    }
    bool server_moves(std::uint16_t port) {
        at_isp({"listen-port", std::to_string(port)});
        // Its next packet tells the client.
        return eventually(
            [&] {
                pings(world.isp(), client_inner4, token);
                return show("endpoints").find(wg_endpoint(gateway, port)) != std::string::npos;
            },
            20s);
    }
    // Both ends as they see themselves, for when one does not move.
    std::string ends() {
        return "client:\n" + must_say({"wg", "show", "wg0"}, {.netns = world.host().fd()}) + "server:\n" +
               must_say({"wg", "show", "wg0"}, {.netns = world.isp().fd()}) + "server's device:\n" +
               must_say({"ip", "-s", "link", "show", "wg0"}, {.netns = world.isp().fd()});
    }
    // Frames to PORT of the gateway that arrived since SINCE.
    std::size_t outer(std::uint16_t port, std::size_t since = 0) {
        Mark flow;
        flow.flow(gateway, port);
        world.capture().settle();
        return world.capture().count(flow, since);
    }
    bool arrives(const Ip &to, std::uint16_t port) {
        const std::size_t since = world.capture().position();
        send_datagram(world.host(), user_uid, to, port, direct);
        Mark seen;
        seen.bytes(direct);
        world.capture().settle();
        return world.capture().count(seen, since) > 0;
    }
    bool in_the_clear() {
        Mark seen;
        seen.bytes(token);
        world.capture().settle();
        return world.capture().count(seen) > 0;
    }

  private:
    WireGuardKey near_{"near.key"}, far_{"far.key"};
};

class WireGuard : public testing::Test {
  protected:
    void SetUp() override {
        if (const std::string why = why_no_wireguard(); !why.empty()) GTEST_SKIP() << why;
    }
};

struct Shape {
    int family;
    Policy policy;
};
std::string name_of(const testing::TestParamInfo<Shape> &info) {
    return fmt::format("v{}_{}", info.param.family, info.param.policy.name);
}
constexpr Policy any_port{"any_port", "", false}, one_port{"one_port", ":51820/udp", false},
    strict{"strict", ":51820/udp", true}, moved{"moved", ":51821/udp", false},
    strict_moved{"strict_moved", ":51821/udp", true};

class WireGuardWith : public WireGuard, public testing::WithParamInterface<Shape> {};
class WireGuardAlone : public WireGuardWith {};

} // namespace

TEST_P(WireGuardWith, CarriesTheApplicationAndNothingPassesBeside) {
    const auto [family, policy] = GetParam();
    Tunnel tunnel(family, policy.strict);
    // Whose socket the outer packets carry: the application's.
    Output nft =
        run({"nft", "-f", "-"},
            {.netns = tunnel.world.host().fd(),
             .input = fmt::format("table inet lk {{ chain out {{ type filter hook output priority 0;\n"
                                  "udp dport {} meta skuid {} counter\n}}\n}}\n",
                                  server_port, user_uid)});
    ASSERT_EQ(nft.status, 0) << nft.err;
    EXPECT_TRUE(tunnel.arrives(tunnel.elsewhere, 4000));
    EXPECT_TRUE(tunnel.arrives(tunnel.gateway, server_port));

    tunnel.attach(policy);
    EXPECT_TRUE(tunnel.comes_up()) << tunnel.world.leakbpf({"status"}).out;
    EXPECT_TRUE(tunnel.answers(inner6));
    EXPECT_NE(tunnel.show("latest-handshakes").find("\t1"), std::string::npos); // seconds since 1970
    EXPECT_GT(tunnel.outer(server_port), 0u);
    EXPECT_FALSE(tunnel.in_the_clear());
    const std::string rules = run({"nft", "list", "ruleset"}, {.netns = tunnel.world.host().fd()}).out;
    EXPECT_EQ(rules.find("counter packets 0 "), std::string::npos)
        << "the outer packets do not carry the application's socket:\n"
        << rules;
    // The application itself: only where the policy does not ask who it is.
    EXPECT_FALSE(tunnel.arrives(tunnel.elsewhere, 4000));
    EXPECT_EQ(tunnel.arrives(tunnel.gateway, server_port), !policy.strict);
    EXPECT_EQ(tunnel.arrives(tunnel.gateway, other_port), *policy.port == '\0');

    // A new session.
    tunnel.remove_peer();
    EXPECT_FALSE(tunnel.answers());
    tunnel.add_peer();
    EXPECT_TRUE(tunnel.comes_up());
    EXPECT_NE(tunnel.show("latest-handshakes").find("\t1"), std::string::npos);

    if (!policy.strict) return;
    // Without the mark the kernel's packets are anybody's.
    tunnel.at_host({"fwmark", "0"});
    const std::size_t since = tunnel.world.capture().position();
    EXPECT_FALSE(tunnel.answers());
    EXPECT_EQ(tunnel.outer(server_port, since), 0u);
    tunnel.at_host({"fwmark", mark});
    EXPECT_TRUE(tunnel.comes_up());
}

// Fifteen seconds after data that nobody answered, and every five from then on, by a timer: in nobody's name.
TEST_P(WireGuardAlone, BeginsANewSession) {
    const auto [family, policy] = GetParam();
    Tunnel tunnel(family, policy.strict);
    tunnel.attach(policy);
    ASSERT_TRUE(tunnel.comes_up()) << tunnel.world.leakbpf({"status"}).out;
    const std::string before = tunnel.show("latest-handshakes");
    tunnel.forget_client();
    EXPECT_FALSE(tunnel.answers());
    const std::size_t since = tunnel.world.capture().position();
    EXPECT_TRUE(eventually([&] { return tunnel.outer(server_port, since) > 0; }, 40s));
    tunnel.know_client();
    EXPECT_TRUE(eventually([&] { return tunnel.show("latest-handshakes") != before; }, 20s));
    EXPECT_TRUE(tunnel.answers());
    EXPECT_FALSE(tunnel.in_the_clear());
}

INSTANTIATE_TEST_SUITE_P(Policies, WireGuardWith,
                         testing::Values(Shape{4, any_port}, Shape{4, one_port}, Shape{4, strict},
                                         Shape{6, any_port}, Shape{6, strict}),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Policies, WireGuardAlone, testing::Values(Shape{4, one_port}, Shape{6, strict}),
                         name_of);

TEST_F(WireGuard, TheServersPortMoves) {
    Tunnel tunnel(4, false);
    tunnel.attach(any_port);
    EXPECT_TRUE(tunnel.comes_up());
    EXPECT_TRUE(tunnel.server_moves(other_port)) << tunnel.ends();
    EXPECT_TRUE(tunnel.comes_up());
    EXPECT_GT(tunnel.outer(other_port), 0u);
    EXPECT_TRUE(tunnel.server_moves(server_port));
    EXPECT_TRUE(tunnel.comes_up());
    EXPECT_FALSE(tunnel.in_the_clear());
}

// Only the port that was named.
TEST_F(WireGuard, TheServerMovesToAPortThatWasNotNamed) {
    for (const auto &[before, after] : {std::pair{one_port, moved}, std::pair{strict, strict_moved}}) {
        Tunnel tunnel(4, before.strict);
        tunnel.attach(before);
        EXPECT_TRUE(tunnel.comes_up());
        EXPECT_TRUE(tunnel.server_moves(other_port)) << tunnel.ends();
        const std::size_t since = tunnel.world.capture().position();
        EXPECT_FALSE(tunnel.answers());
        EXPECT_EQ(tunnel.outer(other_port, since), 0u);
        tunnel.attach(after);
        EXPECT_TRUE(tunnel.comes_up());
        EXPECT_GT(tunnel.outer(other_port, since), 0u);
        EXPECT_FALSE(tunnel.in_the_clear());
    }
}
