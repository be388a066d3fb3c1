// SPDX-License-Identifier: MIT
// Answers that nobody gave: while a query waits for the resolver, datagrams and errors come by the uplink and
// by the tunnel from whoever has guessed all but one thing. None of them is taken for the answer, and the
// resolver's own still arrives.
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns_world.h"
#include "harness/must.h"

using namespace lk;
using namespace lk::harness;
using testing::ElementsAre;

namespace {

// A query on its way.
struct Query {
    // As the asker sees it.
    Ip asker, server;
    std::uint16_t asker_port;
    // As the resolver does.
    Ip tunnel, resolver;
    std::uint16_t port;
    Ip beside() const { return Ip::of(resolver.family == 4 ? "10.42.0.99" : "2001:db8:42::99"); }
    Ip own() const { return Ip::of(resolver.family == 4 ? "10.42.0.3" : "2001:db8:42::3"); }
};

Bytes datagram(const char *name, const Ip &from, std::uint16_t sport, const Ip &to, std::uint16_t dport) {
    return ip(from, to, IPPROTO_UDP, udp(from, to, sport, dport, name));
}

// A port unreachable of FROM about a query that the tunnel's address sent to SERVER.
Bytes unreachable(const Query &q, const Ip &from, const Ip &server, std::uint16_t port) {
    const bool v4 = from.family == 4;
    const std::uint8_t protocol = v4 ? 1 : 58; // ICMP, ICMPv6
    const Bytes quoted = ip(q.tunnel, server, IPPROTO_UDP, udp(q.tunnel, server, port, dns, "quoted"));
    return ip(from, q.tunnel, protocol, icmp(from, q.tunnel, v4 ? 3 : 1, v4 ? 3 : 4, 0, quoted));
}

std::uint16_t near_port(const Query &q) {
    return q.port ^ 1u;
}

// Sockets that name their servers are served packet by packet; connected ones talk to the resolver itself.
enum class Asks { packets, itself };

struct Forgery {
    const char *name;
    bool uplink; // or by the tunnel
    Bytes (*packet)(const char *name, const Query &);
    // No part of the filter sees it: what comes in by an uplink goes its way.
    bool (*unseen)(Asks asks, const Ip &server) = nullptr;
};

const Forgery forgeries[] = {
    {"as the server asked, by the uplink", true,
     [](const char *name, const Query &q) { return datagram(name, q.server, dns, q.asker, q.asker_port); },
     [](Asks asks, const Ip &) { return asks == Asks::packets; }},
    {"as the resolver, by the uplink", true,
     [](const char *name, const Query &q) { return datagram(name, q.resolver, dns, q.tunnel, q.port); },
     // IPv6 has no reverse-path filter.
     [](Asks asks, const Ip &server) { return asks == Asks::itself && server.family == 6; }},
    {"as the server asked, by the tunnel", false,
     [](const char *name, const Query &q) {
         return q.server.family == q.tunnel.family ? datagram(name, q.server, dns, q.tunnel, q.port)
                                                   : Bytes();
     }},
    {"of another than the resolver", false,
     [](const char *name, const Query &q) { return datagram(name, q.beside(), dns, q.tunnel, q.port); }},
    {"of another port of the resolver", false,
     [](const char *name, const Query &q) { return datagram(name, q.resolver, dns + 1, q.tunnel, q.port); }},
    {"to a port that nobody asks from", false,
     [](const char *name, const Query &q) {
         return datagram(name, q.resolver, dns, q.tunnel, near_port(q));
     }},
    {"to another address of ours", false,
     [](const char *name, const Query &q) { return datagram(name, q.resolver, dns, q.own(), q.port); }},
    {"an error about another server", false,
     [](const char *, const Query &q) { return unreachable(q, q.resolver, q.beside(), q.port); }},
    {"an error about another port", false,
     [](const char *, const Query &q) { return unreachable(q, q.resolver, q.resolver, near_port(q)); }},
};

class DnsForged : public DnsTest {
  protected:
    void make_with_second_address(const std::string &name) {
        world_ = std::make_unique<World>(WorldOptions{.name = name, .tunnel = true, .responder = false});
        // Sockets do not choose it.
        world_->host().ip("addr add 10.42.0.3/24 dev tun0\n"
                          "addr add 2001:db8:42::3/64 dev tun0 nodad preferred_lft 0");
        attach({resolver4.str(), resolver6.str()});
        for (const Ip &at : {resolver4, resolver6})
            world_->isp().inside([&] {
                Fd fd = socket_for({.source = at, .has_source = true, .port = dns}, at);
                (at.family == 4 ? answers4_ : answers6_) = std::move(fd);
            });
    }

    void expect_one_answer(const Seat &seat, Asks asks, const Ip &server, const Ip &resolver) {
        SCOPED_TRACE(fmt::format("asked {}, resolver {}", server.str(), resolver.str()));
        How how{.connected = true};
        if (asks == Asks::packets)
            how = {.source = server.family == 4 ? seat.source4 : seat.source6, .has_source = true};
        const Bytes query = fmt::format("lk<forged-{}>", number_++);
        const std::size_t since = world_->capture().position();
        const Fd asker = asker_in(*seat.netns, how, server);
        const int on = 1;
        must(setsockopt(asker.get(), server.family == 4 ? IPPROTO_IP : IPPROTO_IPV6,
                        server.family == 4 ? IP_RECVERR : IPV6_RECVERR, &on, sizeof(on)) == 0,
             "RECVERR");
        send_query(asker.get(), how, server, query);

        const Fd &answers = resolver.family == 4 ? answers4_ : answers6_;
        char data[256];
        SockAddr from;
        from.length = sizeof(from.storage);
        const ssize_t got = recvfrom(answers.get(), data, sizeof(data), 0, from.get(), &from.length);
        must(got > 0, "no query came");
        ASSERT_EQ(Bytes(data, static_cast<std::size_t>(got)), query);
        const Local own = local_of(asker);
        const bool itself = own.ip == from.ip() && own.port == from.port();
        ASSERT_EQ(itself, asks == Asks::itself) << own.ip.str() << " asks from " << from.ip().str();
        const Ip asker_ip = itself ? (server.family == 4 ? seat.source4 : seat.source6) : own.ip;

        for (const Forgery &each : forgeries) {
            forge(each, {asker_ip, server, own.port, from.ip(), resolver, from.port()});
            if (each.unseen && each.unseen(asks, server)) unseen_.push_back(each.name);
        }
        const Bytes answer = "resolver:" + query;
        must(sendto(answers.get(), answer.data(), answer.size(), 0, from.get(), from.length) > 0, "answer");
        EXPECT_THAT(taken(asker, answer), ElementsAre(fmt::format("{} of {}", answer, server.str())));
        EXPECT_EQ(in_the_clear(since), 0u);
        unseen_.clear();
    }

    Fd answers4_, answers6_;

  private:
    void forge(const Forgery &forgery, const Query &query) {
        const Bytes packet = forgery.packet(forgery.name, query);
        if (packet.empty()) return;
        const Seat from = world_->isp_seat();
        world_->isp().inside([&] {
            if (forgery.uplink)
                inject(from.device,
                       {ethernet(from.next_mac, from.mac, packet[0] >> 4 == 4 ? 0x0800 : 0x86dd, packet)});
            else
                inject("tun0", {packet}, true);
        });
    }

    // All that comes to ASKER until LAST, and what is there then, but what no filter sees: "TEXT of SENDER".
    std::vector<std::string> taken(const Fd &asker, const Bytes &last) const {
        std::vector<std::string> all;
        for (bool over = false;;) {
            char data[256];
            SockAddr from;
            from.length = sizeof(from.storage);
            const ssize_t got =
                recvfrom(asker.get(), data, sizeof(data), over ? MSG_DONTWAIT : 0, from.get(), &from.length);
            if (got < 0 && errno == EAGAIN) return all;
            if (got < 0) {
                all.emplace_back(strerror(errno));
                continue;
            }
            const Bytes text(data, static_cast<std::size_t>(got));
            over = over || text == last;
            if (std::ranges::find(unseen_, text) == unseen_.end())
                all.push_back(fmt::format("{} of {}", text, from.ip().str()));
        }
    }

    std::vector<std::string> unseen_;
    int number_ = 0;
};

// For sockets of the host and of a container.
TEST_F(DnsForged, WhatIsTranslatedIsTheResolversAlone) {
    make_with_second_address("dnsforge");
    const Seat seats[] = {world_->host_seat(), world_->container_seat(false)};
    for (const Seat &seat : seats) {
        expect_one_answer(seat, Asks::packets, public4, resolver4);
        expect_one_answer(seat, Asks::packets, public6, resolver6);
    }
    attach({resolver4.str()});
    for (const Seat &seat : seats)
        expect_one_answer(seat, Asks::packets, public6, resolver4);
}

TEST_F(DnsForged, AConnectedSocketHearsTheResolverAlone) {
    make_with_second_address("dnsforgec");
    filter_reverse_paths("1");
    const Seat seat = world_->host_seat();
    expect_one_answer(seat, Asks::itself, public4, resolver4);
    expect_one_answer(seat, Asks::itself, public6, resolver6);
}

// As long as it lives, what this thread sends is judged on one CPU.
class OnOneCpu {
  public:
    OnOneCpu() {
        must(sched_getaffinity(0, sizeof(before_), &before_) == 0, "sched_getaffinity");
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(sched_getcpu(), &one);
        must(sched_setaffinity(0, sizeof(one), &one) == 0, "sched_setaffinity");
    }
    ~OnOneCpu() { sched_setaffinity(0, sizeof(before_), &before_); }
    OnOneCpu(const OnOneCpu &) = delete;
    OnOneCpu &operator=(const OnOneCpu &) = delete;

  private:
    cpu_set_t before_;
};

// The port that the tunnel gave to somebody's query: who binds it and asks the resolver himself gets his own
// answer, and the other one his.
TEST_F(DnsForged, ASocketOnThePortOfAnothersQuery) {
    make_with_second_address("dnsforgep");
    const Seat seat = world_->host_seat();
    for (const auto &[server, resolver] : {std::pair(public4, resolver4), std::pair(public6, resolver6)}) {
        const Fd &answers = resolver.family == 4 ? answers4_ : answers6_;
        const auto next = [&](const Bytes &query) {
            char data[256];
            SockAddr from;
            from.length = sizeof(from.storage);
            const ssize_t got = recvfrom(answers.get(), data, sizeof(data), 0, from.get(), &from.length);
            EXPECT_EQ(Bytes(data, got > 0 ? static_cast<std::size_t>(got) : 0), query);
            return from;
        };
        const auto answer = [&](const Bytes &query, SockAddr &to) {
            const Bytes data = "resolver:" + query;
            sendto(answers.get(), data.data(), data.size(), 0, to.get(), to.length);
        };
        const How how{.source = server.family == 4 ? seat.source4 : seat.source6, .has_source = true};
        const Fd first = asker_in(world_->host(), how, server);
        const auto expect_answer = [&](const Fd &asker, const How &asked, const Ip &of, const char *query) {
            EXPECT_EQ(caught([&] { receive_answer(asker.get(), asked, of, query); }), "");
        };
        // The second query is the very next that this CPU judges.
        const OnOneCpu pinned;
        send_query(first.get(), how, server, "one");
        SockAddr given = next("one");
        const How own{.source = given.ip(), .has_source = true, .port = given.port()};
        const Fd second = asker_in(world_->host(), own, resolver);
        send_query(second.get(), own, resolver, "two");
        SockAddr other = next("two");
        EXPECT_NE(other.port(), given.port());
        answer("one", given);
        answer("two", other);
        expect_answer(first, how, server, "one");
        expect_answer(second, own, resolver, "two");
        send_query(first.get(), how, server, "three");
        SockAddr again = next("three");
        EXPECT_EQ(again.port(), given.port());
        answer("three", again);
        expect_answer(first, how, server, "three");
    }
}

} // namespace
