// SPDX-License-Identifier: MIT
// Row 6 with real traffic: every query, by whoever it is sent and to whomever, comes to the resolver behind
// the tunnel, and its answer seems to come from the server that was asked. Each cell of the matrix looks at
// both ends: what the asker gets, and what the far side of the uplink sees.
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <stdexcept>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dns_world.h"
#include "harness/message.h"
#include "harness/must.h"

using namespace lk;
using namespace lk::harness;

namespace {

class Dns : public DnsTest {};

TEST_F(Dns, IPv4) {
    make("dns4");
    add_senders4();
    run();
}

TEST_F(Dns, IPv6) {
    make("dns6");
    add_senders6();
    run();
}

TEST_F(Dns, IPv6AskedAndOnlyAnIPv4Resolver) {
    make("dns64", false);
    add_senders(public6, router6, tunneled6, Ip::of("2001:db8:f:8000::54"));
    run();
}

TEST_F(Dns, WithoutATunnelNobodyIsAnswered) {
    make("dnsdown");
    resolver_.reset();
    world_->tunnel_down();
    add_senders4();
    add_senders6();
    run_refused();
}

TEST_F(Dns, WithoutAResolverNobodyIsAnswered) {
    make(WorldOptions{.name = "dnsnone", .tunnel = true, .responder = false}, std::vector<std::string>{});
    add_senders(public4, router4, Ip::of("203.0.113.201"), Ip::of("203.0.113.202"));
    add_senders(public6, router6, Ip::of("2001:db8:f:8000::54"), Ip::of("2001:db8:f:8000::55"));
    run_refused({"dns-no-resolver"});
}

// Larger than a packet, so that the kernel sends it in fragments.
TEST_F(Dns, AQueryInFragmentsIsRefused) {
    make("dnsform");
    const std::pair<const char *, std::vector<Ip>> ways[] = {{"uplink", {public4, public6}},
                                                             {"tunnel", {tunneled4, tunneled6}}};
    for (const auto &[hook, servers] : ways)
        for (const Ip &server : servers) {
            const Bytes query = Bytes(2000, 'q') + "lk<in fragments>";
            const std::size_t since = world_->capture().position();
            const std::uint64_t before = counted(hook, "dns-form");
            EXPECT_NE(trouble_of([&] { ask({.patience = 200ms}, server, query); }), "") << server.str();
            EXPECT_EQ(counted(hook, "dns-form"), before + 1) << server.str();
            EXPECT_EQ(in_the_clear(since), 0u);
            Mark mark;
            mark.bytes("lk<in fragments>");
            EXPECT_EQ(world_->capture().count(mark, since), 0u);
        }
}

TEST_F(Dns, ReversePathFilter) {
    make("dnsrp");
    for (const char *mode : {"1", "2"}) {
        filter_reverse_paths(mode);
        const Netns &host = world_->host();
        add(fmt::format("udp, rp_filter {}", mode), {}, "public", public4, host);
        add(fmt::format("tcp, rp_filter {}", mode), {.type = SOCK_STREAM}, "public", public4, host);
        add(fmt::format("udp, rp_filter {}", mode), {}, "by default route", tunneled4, host);
        run();
    }
}

class DnsSize : public Dns {
  protected:
    void make_narrow(const std::string &name, bool both_resolvers) {
        make(name, both_resolvers);
        for (const Netns *end : {&world_->host(), &world_->isp()})
            end->ip("link set tun0 mtu 1280");
        // The follower hears of it: from then on connections are told so.
        EXPECT_TRUE(
            eventually([&] { return trouble_of([] { expect_segments_of(public4, 1240); }).empty(); }));
    }

    static void expect_segments_of(const Ip &server, int most) {
        const Fd fd = socket_for({.type = SOCK_STREAM}, server);
        SockAddr to(server, dns);
        must(connect(fd.get(), to.get(), to.length) == 0, "connect");
        int bytes = 0;
        socklen_t length = sizeof(bytes);
        must(getsockopt(fd.get(), IPPROTO_TCP, TCP_MAXSEG, &bytes, &length) == 0, "TCP_MAXSEG");
        if (bytes > most) throw std::runtime_error(fmt::format("segments of {} bytes", bytes));
    }

    // A query that the tunnel cannot take whole: the sender hears how large it may be.
    static void expect_told(const Ip &server, std::uint32_t most) {
        const Fd fd = socket_for({}, server);
        const bool v4 = server.family == 4;
        const int on = 1, want = IP_PMTUDISC_DO;
        must(setsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
                        sizeof(on)) == 0,
             "RECVERR");
        must(setsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
                        &want, sizeof(want)) == 0,
             "MTU_DISCOVER");
        SockAddr to(server, dns);
        const Bytes query(1400, 'x');
        must(sendto(fd.get(), query.data(), query.size(), 0, to.get(), to.length) > 0, "sendto");
        pollfd errors{fd.get(), 0, 0};
        must(poll(&errors, 1, 2000) == 1, "nothing is told");
        char data[2048];
        Message message(data, sizeof(data));
        must(recvmsg(fd.get(), message.get(), MSG_ERRQUEUE) >= 0, "recvmsg");
        const auto error = message.control<sock_extended_err>(v4 ? IPPROTO_IP : IPPROTO_IPV6,
                                                              v4 ? IP_RECVERR : IPV6_RECVERR);
        if (!error) throw std::runtime_error("no error in the error queue");
        if (error->ee_errno != EMSGSIZE || error->ee_info != most)
            throw std::runtime_error(fmt::format(
                "told {} and {} bytes", strerror(static_cast<int>(error->ee_errno)), error->ee_info));
    }

    void expect_sizes(const std::vector<Ip> &servers, std::uint32_t most6) {
        const Bytes large = Bytes(4000, 'q'), edns = "edns 4096" + ask_big;
        for (const Ip &ip : servers) {
            EXPECT_EQ(trouble_of([&] { ask({.type = SOCK_STREAM}, ip, large); }), "") << ip.str();
            EXPECT_EQ(trouble_of([&] { ask({.type = SOCK_STREAM}, ip, edns); }), "") << ip.str();
            EXPECT_EQ(trouble_of([&] { ask({}, ip, edns); }), "") << ip.str() << ", an answer in fragments";
            if (ip == tunneled4) continue; // the routing table knows how much that way takes
            EXPECT_EQ(trouble_of([&] { expect_told(ip, ip.family == 4 ? 1280 : most6); }), "") << ip.str();
        }
        const Seat routed = world_->container_seat(false);
        for (const Ip &ip : servers) {
            const Ip &own = ip.family == 4 ? routed.source4 : routed.source6;
            EXPECT_EQ(as({.netns = routed.netns->fd(), .uid = 0},
                         [&] {
                             ask({.type = SOCK_STREAM, .source = own, .has_source = true}, ip, large);
                             ask({.source = own, .has_source = true}, ip, edns);
                         }),
                      "")
                << ip.str() << ", of a container";
        }
    }

    // Nobody listens at the resolver any more: its kernel says so about the packet that it got.
    void expect_errors_back(const std::vector<Ip> &servers) {
        resolver_.reset();
        for (const Ip &ip : servers)
            for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
                const std::string told =
                    trouble_of([&] { ask({.type = type, .connected = true}, ip, "anybody"); });
                EXPECT_NE(told.find("Connection refused"), told.npos) << ip.str() << ": " << told;
            }
    }
};

TEST_F(DnsSize, NarrowTunnelWithBothResolvers) {
    make_narrow("dnsmtu", true);
    expect_sizes({public4, public6, tunneled4}, 1280);
    EXPECT_GT(counted("uplink", "dns-size"), 0u);
    expect_errors_back({public4, public6});
}

TEST_F(DnsSize, NarrowTunnelWithAnIPv4Resolver) {
    make_narrow("dnsmtu64", false);
    expect_sizes({public4, public6}, 1300);
    expect_errors_back({public4, public6});
}

TEST_F(Dns, TunnelDownAndUpAgain) {
    make("dnsup");
    goes_down_and_up();
}

// Its address is of the uplink, and no answer comes back to that by the tunnel.
TEST_F(Dns, ASocketFromBeforeTheTunnel) {
    make("dnsold");
    for (const Ip &server : {public4, public6}) {
        resolver_.reset();
        world_->tunnel_down();
        const auto answered = [&] {
            return as({.netns = world_->host().fd(), .uid = 0}, [&] { ask({}, server, "a try"); }).empty();
        };
        ASSERT_TRUE(eventually([&] { return !answered(); }));
        const Bytes query = "of a socket from before";
        Puppet asker({.netns = world_->host().fd(), .uid = 0}, [&](const std::function<void()> &next) {
            const Fd fd = socket_for({}, server);
            SockAddr to(server, dns);
            must(connect(fd.get(), to.get(), to.length) == 0, "connect");
            next();
            must(send(fd.get(), query.data(), query.size(), 0) > 0, "send");
            receive_answer(fd.get(), {}, server, query);
        });
        world_->tunnel_up();
        resolver_ = start_resolver(world_->isp());
        ASSERT_TRUE(eventually(answered));
        EXPECT_EQ(asker.step(), "");
    }
}

} // namespace
