// SPDX-License-Identifier: MIT
// WireGuard of the kernel as the tunnel that carries queries: it looks at each packet's destination to find a
// peer, and its own packets leave by the guarded uplink.
#include <sys/socket.h>

#include <optional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dns_world.h"
#include "harness/wireguard.h"

using namespace lk;
using namespace lk::harness;

namespace {

constexpr std::uint16_t server_port = 51820;

// Whether the tunnel's own prefix holds the resolver, or it has bare addresses as providers give them: then
// nothing but the default route leads there, and connected sockets are translated too.
enum class Own { wide, bare };

class DnsWireGuard : public DnsTest, public testing::WithParamInterface<Own> {
  protected:
    void SetUp() override {
        if (const std::string why = why_no_wireguard(); !why.empty()) GTEST_SKIP() << why;
    }

    void make(const std::string &name, const std::vector<std::string> &resolvers) {
        DnsTest::make({.name = name, .responder = false}, resolvers);
        near_.emplace("near.key");
        far_.emplace("far.key");
        // The server speaks from an address that it really has, also when it speaks first.
        world_->isp().ip("addr add 198.51.100.7/32 dev lo\nroute add 10.9.0.2/32 dev h0 src 198.51.100.7\n"
                         "link add tun0 type wireguard");
        wg_set(world_->isp(), "tun0",
               {"private-key", far_->path, "listen-port", std::to_string(server_port), "peer", near_->pub,
                "allowed-ips", "10.42.0.2/32,2001:db8:42::2/128"});
        world_->isp().ip("link set tun0 addrgenmode none\nlink set tun0 up\naddr add 10.42.0.1/24 dev tun0\n"
                         "addr add 2001:db8:42::1/64 dev tun0 nodad");
        resolver_ = start_resolver(world_->isp());
        tunnel_up();
        EXPECT_TRUE(comes());
    }

    void tunnel_up() {
        world_->host().ip("link add tun0 type wireguard");
        wg_set(world_->host(), "tun0",
               {"private-key", near_->path, "peer", far_->pub, "allowed-ips", "0.0.0.0/0,::/0", "endpoint",
                wg_endpoint(gateway4, server_port)});
        const bool bare = GetParam() == Own::bare;
        world_->host().ip(fmt::format("link set tun0 addrgenmode none\nlink set tun0 up\n"
                                      "addr add 10.42.0.2/{} dev tun0\n"
                                      "addr add 2001:db8:42::2/{} dev tun0 nodad\n"
                                      "route add default dev tun0 metric 10\n"
                                      "route add default dev tun0 metric 20 src 2001:db8:42::2",
                                      bare ? 32 : 24, bare ? 128 : 64));
    }
    void tunnel_down() { world_->host().ip("link del tun0"); }

    // Sent sealed, and not by another way.
    std::size_t sealed() {
        Mark outer;
        outer.flow(gateway4, server_port);
        world_->capture().settle();
        return world_->capture().count(outer);
    }

    std::optional<WireGuardKey> near_, far_;
};

// The uplink's own path back is by the tunnel: a strict filter would lose every answer that came in there.
TEST_P(DnsWireGuard, WithStrictReversePathFilter) {
    make("dnswg", {resolver4.str(), resolver6.str()});
    filter_reverse_paths("1");
    add_senders4();
    add_senders6();
    run();
    EXPECT_GT(sealed(), 0u);
}

TEST_P(DnsWireGuard, IPv6AskedAndOnlyAnIPv4Resolver) {
    make("dnswg64", {resolver4.str()});
    filter_reverse_paths("1");
    add_senders(public6, router6, tunneled6, Ip::of("2001:db8:f:8000::54"));
    run();
}

TEST_P(DnsWireGuard, LargeQueriesAndAnswersInFragments) {
    make("dnswgmtu", {resolver4.str(), resolver6.str()});
    const Bytes large(4000, 'q'), edns = "edns 4096" + ask_big;
    for (const Ip &ip : {public4, public6, tunneled4, tunneled6}) {
        EXPECT_EQ(trouble_of([&] { ask({.type = SOCK_STREAM}, ip, large); }), "") << ip.str();
        EXPECT_EQ(trouble_of([&] { ask({.type = SOCK_STREAM}, ip, edns); }), "") << ip.str();
        EXPECT_EQ(trouble_of([&] { ask({}, ip, edns); }), "") << ip.str();
    }
}

TEST_P(DnsWireGuard, DownAndUpAgain) {
    make("dnswgup", {resolver4.str(), resolver6.str()});
    filter_reverse_paths("1");
    add_both_protocols();
    run();
    tunnel_down();
    add_both_protocols();
    run_refused();
    tunnel_up();
    EXPECT_TRUE(comes());
    add_both_protocols();
    run();
}

INSTANTIATE_TEST_SUITE_P(Prefixes, DnsWireGuard, testing::Values(Own::wide, Own::bare), [](const auto &test) {
    return std::string(test.param == Own::wide ? "wide" : "bare");
});

} // namespace
