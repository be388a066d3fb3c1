// SPDX-License-Identifier: MIT
// Resolvers that are more than one address with port 53: several of one family, each behind a tunnel of its
// own or all behind one, and resolvers on another port. Whoever answers says who it is.
#include <sys/socket.h>

#include <optional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dns_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

constexpr std::uint16_t other_port = 5353;

class DnsResolvers : public DnsTest {
  protected:
    static std::string at_other_port(const Ip &ip) {
        return fmt::format(fmt::runtime(ip.family == 4 ? "{}:{}" : "[{}]:{}"), ip.str(), other_port);
    }

    // At port 53 of the same addresses somebody else answers, whom nobody may hear.
    void make_other_port(const std::string &name, const std::vector<Ip> &resolvers) {
        std::vector<std::string> words;
        for (const Ip &ip : resolvers)
            words.push_back(at_other_port(ip));
        make({.name = name, .tunnel = true, .responder = false}, words);
        listen_at_other_port();
        EXPECT_TRUE(comes());
    }

    void listen_at_other_port() {
        resolver_ = start_resolver(world_->isp(), {{resolver4, other_port}, {resolver6, other_port}});
        wrong_ = start_resolver(world_->isp(), {{resolver4}, {resolver6}}, "wrong");
    }

    std::unique_ptr<Helper> wrong_;
};

TEST_F(DnsResolvers, OnAnotherPort) {
    make_other_port("dnsport", {resolver4, resolver6});
    add_senders4();
    add_senders6();
    run();
    resolver_.reset();
    wrong_.reset();
    world_->tunnel_down();
    add_both_protocols();
    run_refused({"dns-no-tunnel", "not-allowed"}); // connected sockets name the resolver's own port
    world_->tunnel_up();
    listen_at_other_port();
    EXPECT_TRUE(comes());
    add_both_protocols();
    run();
}

TEST_F(DnsResolvers, OnAnotherPortAndIPv4Only) {
    make_other_port("dnsport64", {resolver4});
    add_senders(public6, router6, tunneled6, Ip::of("2001:db8:f:8000::54"));
    run();
}

// The first one serves, also who asks the second one; in the other order it is the other.
TEST_F(DnsResolvers, TwoBehindOneTunnel) {
    const Ip second4 = Ip::of("10.42.0.53"), second6 = Ip::of("2001:db8:42::53");
    make({.name = "dnstwo", .tunnel = true, .responder = false},
         {resolver4.str(), second4.str(), resolver6.str(), second6.str()});
    world_->isp().ip("addr add 10.42.0.53/24 dev tun0\naddr add 2001:db8:42::53/64 dev tun0 nodad");
    resolver_ = start_resolver(world_->isp(), {{resolver4}, {resolver6}}, "first");
    const auto second = start_resolver(world_->isp(), {{second4}, {second6}}, "second");
    const auto both_families = [&] {
        add_senders(public4, router4, tunneled4, second4);
        add_senders(public6, router6, tunneled6, second6);
        run();
    };
    word_ = "first";
    both_families();
    attach({second4.str(), resolver4.str(), second6.str(), resolver6.str()});
    word_ = "second";
    EXPECT_TRUE(comes());
    both_families();
}

// Each behind a tunnel of its own: the one whose tunnel is there, of two the first.
class DnsFailover : public DnsTest {
  protected:
    void make(const std::string &name, const std::vector<std::string> &resolvers) {
        DnsTest::make({.name = name, .tunnel = true, .responder = false}, resolvers);
        resolver_ = start_resolver(world_->isp(), {{resolver4}}, "first");
        second_.emplace(*world_);
    }

    void first_down() {
        resolver_.reset();
        world_->tunnel_down();
    }
    void first_up() {
        world_->tunnel_up();
        resolver_ = start_resolver(world_->isp(), {{resolver4}}, "first");
    }

    void expect_served_by(const char *who) {
        word_ = who;
        EXPECT_TRUE(comes()) << who;
        EXPECT_TRUE(comes(public6)) << who;
        add_senders4();
        add_senders6();
        run();
    }

    std::optional<SecondTunnel> second_;
};

TEST_F(DnsFailover, TheFirstWhoseTunnelIsThere) {
    make("dnsfail", {resolver4.str(), second4.str()});
    expect_served_by("first");
    first_down();
    expect_served_by("second");
    second_.reset();
    add_both_protocols();
    run_refused();
    second_.emplace(*world_);
    expect_served_by("second");
    first_up();
    expect_served_by("first");
}

} // namespace
