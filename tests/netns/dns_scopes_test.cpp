// SPDX-License-Identifier: MIT
// Two uplinks with a policy each: queries by each of them go to its own resolver, behind one tunnel or two.
// Which uplink a socket will use is not known when it connects, so all of them are served packet by packet.
#include <sys/socket.h>

#include <optional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dns_world.h"

using namespace lk;
using namespace lk::harness;

namespace {

const Ip by_eth1_4 = Ip::of("203.0.113.250"), by_eth1_6 = Ip::of("2001:db8:f:c000::53");
const Ip beside4 = Ip::of("10.42.0.53"); // the second resolver, behind the first one's tunnel

class DnsScopes : public DnsTest {
  protected:
    void make_two(const std::string &name, const Ip &second) {
        world_ = std::make_unique<World>(
            WorldOptions{.name = name, .tunnel = true, .container = false, .responder = false});
        world_->host().ip(fmt::format(
            "link add eth1 address 02:00:00:00:08:02 type veth peer name h1 address 02:00:00:00:08:01 netns "
            "{}\nlink set eth1 addrgenmode none\nlink set eth1 up\n"
            "addr add 10.8.0.2/24 dev eth1\naddr add 2001:db8:8::2/64 dev eth1 nodad\n"
            "neigh add 10.8.0.1 lladdr 02:00:00:00:08:01 dev eth1 nud permanent\n"
            "neigh add 2001:db8:8::1 lladdr 02:00:00:00:08:01 dev eth1 nud permanent\n"
            "route add 203.0.113.240/28 via 10.8.0.1 dev eth1\n"
            "route add 2001:db8:f:c000::/50 via 2001:db8:8::1 dev eth1",
            world_->isp().name()));
        world_->isp().ip("link set h1 addrgenmode none\nlink set h1 up\naddr add 10.8.0.1/24 dev h1\n"
                         "addr add 2001:db8:8::1/64 dev h1 nodad");
        attach({resolver4.str()});
        resolver_ = start_resolver(world_->isp(), {{resolver4}}, "first");
        world_->attach({"eth1", "--dns", second.str(), "--gw", gateway4.str()});
    }

    // Of the uplink's address, and not of the tunnel's.
    void expect_packets(const Ip &server, const char *own) {
        const Fd fd = asker_in(world_->host(), {.connected = true}, server);
        EXPECT_EQ(local_of(fd).ip, Ip::of(own)) << server.str();
    }

    void add_kinds(const char *by, const char *who, const Ip &server) {
        word_ = who;
        const std::pair<const char *, How> kinds[] = {
            {"udp", {}},
            {"udp connected", {.connected = true}},
            {"udp connected, named again", {.connected = true, .named = true}},
            {"tcp", {.type = SOCK_STREAM}}};
        for (const auto &[name, how] : kinds)
            add(name, how, by, server, world_->host());
    }

    void expect_each_its_own() {
        expect_packets(public4, "10.9.0.2");
        expect_packets(by_eth1_4, "10.8.0.2");
        add_kinds("by eth0", "first", public4);
        add_kinds("by eth0", "first", public6);
        add_kinds("by eth1", "second", by_eth1_4);
        add_kinds("by eth1", "second", by_eth1_6);
        // As the scope has it that takes in new uplinks.
        add_kinds("by the tunnel", "second", tunneled4);
        run();
    }

    std::optional<SecondTunnel> second_;
};

TEST_F(DnsScopes, TwoResolversBehindOneTunnel) {
    make_two("dnsscope", beside4);
    world_->isp().ip("addr add 10.42.0.53/24 dev tun0");
    const auto second = start_resolver(world_->isp(), {{beside4}}, "second");
    expect_each_its_own();
}

TEST_F(DnsScopes, ATunnelForEach) {
    make_two("dnsscopes", second4);
    second_.emplace(*world_);
    word_ = "second";
    EXPECT_TRUE(comes(by_eth1_4));
    expect_each_its_own();
    second_.reset();
    add("udp", {}, "by eth1", by_eth1_4, world_->host());
    add("tcp", {.type = SOCK_STREAM}, "by eth1", by_eth1_4, world_->host());
    run_refused();
    add_kinds("by eth0", "first", public4);
    run();
    second_.emplace(*world_);
    word_ = "second";
    EXPECT_TRUE(comes(by_eth1_4));
    expect_each_its_own();
}

} // namespace
