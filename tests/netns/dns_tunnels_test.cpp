// SPDX-License-Identifier: MIT
// Port 53 on every tunnel, also on one that leads to no resolver and never did: answered by the resolver, or
// refused, whatever came before.
#include <iterator>
#include <optional>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns_world.h"

using namespace lk;
using namespace lk::harness;
using testing::HasSubstr;

namespace {

const Ip beside4 = Ip::of("203.0.113.40"), beside6 = Ip::of("2001:db8:f:4000::53"); // by the second tunnel

class DnsTunnels : public DnsTest {
  protected:
    void make_world(const std::string &name) {
        world_ = std::make_unique<World>(
            WorldOptions{.name = name, .tunnel = true, .container = false, .responder = false});
    }

    // The second tunnel, and who answers there what nobody may hear.
    void second_up() {
        second_.emplace(*world_);
        world_->host().ip(fmt::format("addr add 2001:db8:44::2/64 dev tun1 nodad\n"
                                      "route add {} dev tun1\nroute add {} dev tun1 src 2001:db8:44::2",
                                      beside4.str(), beside6.str()));
        world_->isp().ip("addr add 2001:db8:44::1/64 dev tun1 nodad");
        wrong_ = start_resolver(world_->isp(), {{beside4}, {beside6}}, "wrong");
    }

    void add_beside() {
        for (const Ip &ip : {beside4, beside6}) {
            add("udp", {}, "by the second tunnel", ip, world_->host());
            add("udp connected", {.connected = true}, "by the second tunnel", ip, world_->host());
            add("udp bound to tun1", {.device = "tun1"}, "by the second tunnel", ip, world_->host());
            add("tcp bound to tun1", {.type = SOCK_STREAM, .device = "tun1"}, "by the second tunnel", ip,
                world_->host());
        }
    }

    // Packets that the host's DEVICE has sent.
    std::uint64_t sent_by(const std::string &device) {
        const Output table = harness::run({"cat", "/proc/net/dev"}, {.netns = world_->host().fd()});
        std::istringstream lines(table.out);
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::vector<std::string> columns{std::istream_iterator<std::string>(words), {}};
            if (columns.size() > 10 && columns.front() == device + ":") return std::stoull(columns[10]);
        }
        return 0;
    }

    // Until the follower has seen all of the first tunnel, the second stands in for it.
    bool comes_by(const std::string &device, const Ip &server) {
        return eventually([&] {
            const std::uint64_t before = sent_by(device);
            return trouble_of([&] { ask({.word = word_}, server, "comes"); }).empty() &&
                   sent_by(device) > before;
        });
    }

    std::optional<SecondTunnel> second_;
    std::unique_ptr<Helper> wrong_;
};

TEST_F(DnsTunnels, ThatLeadToNoResolverRefuse) {
    make_world("dnstunno");
    world_->host().ip("addr del 2001:db8:42::2/64 dev tun0");
    wrong_ = start_resolver(world_->isp(), {{tunneled4}}, "wrong");
    const auto trouble = [&](int type) {
        return trouble_of([&] { ask({.type = type, .connected = true, .word = "wrong"}, tunneled4, "who"); });
    };
    EXPECT_EQ(trouble(SOCK_DGRAM), "") << "without the filter";
    attach({resolver6.str()});
    for (const int type : {SOCK_DGRAM, SOCK_STREAM})
        EXPECT_THAT(trouble(type), HasSubstr("Connection refused"));
    EXPECT_GT(counted("tunnel", "dns-no-resolver"), 0u);
    attach({});
    EXPECT_EQ(trouble(SOCK_DGRAM), "") << "without a resolver nothing is turned";
}

TEST_F(DnsTunnels, BesideTheResolversOwn) {
    make_world("dnstuns");
    second_up();
    attach({resolver4.str(), resolver6.str()});
    resolver_ = start_resolver(world_->isp());
    add_beside();
    run();
    // A narrow route leads to the resolver by the other one.
    world_->host().ip(fmt::format("route add {} dev tun1", resolver4.str()));
    const std::uint64_t before = counted("tunnel", "dns");
    add("udp", {}, "resolver, by the second tunnel", resolver4, world_->host());
    add("udp connected", {.connected = true}, "resolver, by the second tunnel", resolver4, world_->host());
    add("udp connected", {.connected = true}, "public", public4, world_->host());
    add("tcp", {.type = SOCK_STREAM}, "public", public4, world_->host());
    run();
    EXPECT_GE(counted("tunnel", "dns"), before + 6) << "sent on into the resolver's tunnel";
    resolver_.reset();
    world_->tunnel_down();
    world_->tunnel_up();
    resolver_ = start_resolver(world_->isp());
    EXPECT_TRUE(comes_by("tun0", public4));
    EXPECT_TRUE(comes_by("tun0", public6));
    add_beside();
    run();
    world_->host().ip("route del default dev tun1"); // which makes an uplink of what is inside
    attach({resolver4.str(), resolver6.str()}, {"--inside", "tun1"});
    word_ = "wrong";
    for (const Ip &ip : {beside4, beside6})
        add("udp", {}, "by what is no tunnel", ip, world_->host());
    run();
}

// As OpenVPN has it with def1: no route is a default one. The other tunnel was made first.
TEST_F(DnsTunnels, WithHalvesOfADefaultRouteLeadsToAPublicResolver) {
    make_world("dnstunhf");
    const Ip public_resolver = Ip::of("203.0.113.53");
    world_->host().ip("route del default dev tun0 metric 10\nroute del ::/0 dev tun0 metric 20");
    second_.emplace(*world_);
    world_->host().ip("route del default dev tun1");
    // The resolver's answers do not find back by the first one.
    const Output rule =
        harness::run({"ip", "rule", "add", "from", public_resolver.str(), "to", "10.42.0.0/24", "blackhole"},
                     {.netns = world_->isp().fd()});
    ASSERT_EQ(rule.status, 0) << rule.err;
    attach({public_resolver.str()});
    resolver_ = start_resolver(world_->isp(), {{public_resolver}});
    EXPECT_NE(trouble_of([] { ask({}, public4, "by the first"); }), "");
    world_->host().ip("route add 0.0.0.0/1 dev tun1\nroute add 128.0.0.0/1 dev tun1");
    EXPECT_TRUE(comes());
    world_->host().ip("route del 0.0.0.0/1 dev tun1\nroute del 128.0.0.0/1 dev tun1");
    EXPECT_TRUE(eventually([&] { return !trouble_of([] { ask({}, public4, "once more"); }).empty(); }));
}

// Nobody is there to see it come up.
TEST_F(DnsTunnels, ThatWereDown) {
    make_world("dnstundn");
    second_up();
    world_->host().ip("link set tun1 down");
    attach({resolver4.str(), resolver6.str()}, {"--no-follow"});
    resolver_ = start_resolver(world_->isp());
    world_->host().ip(fmt::format("link set tun1 up\nroute add {} dev tun1", beside4.str()));
    add("udp", {}, "by the second tunnel", beside4, world_->host());
    run();
}

} // namespace
