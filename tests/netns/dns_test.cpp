// SPDX-License-Identifier: MIT
// Row 6 with real traffic: every query, by whoever it is sent and to whomever, comes to the resolver behind
// the tunnel, and its answer seems to come from the server that was asked. Each cell of the matrix looks at
// both ends: what the asker gets, and what the far side of the uplink sees.
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <stdexcept>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/message.h"
#include "harness/must.h"
#include "harness/world.h"

using namespace lk;
using namespace lk::harness;

namespace {

constexpr std::uint16_t dns = 53;
const Ip public4 = Ip::of("203.0.113.200"), public6 = Ip::of("2001:db8:f:8000::53"); // by the uplink
const Ip tunneled4 = Ip::of("203.0.113.10"), tunneled6 = Ip::of("2001:db8:f::53");   // by the default route
const Ip router4 = Ip::of("10.9.0.1"), router6 = Ip::of("2001:db8:9::1");

constexpr std::size_t big_answer = 4000;
const Bytes ask_big = "<big>"; // in a query: fill the answer up to BIG_ANSWER bytes

// Answers "resolver:" and the query, at the resolver's addresses alone.
std::unique_ptr<Helper> start_resolver(const Netns &netns) {
    return std::make_unique<Helper>(Identity{.netns = netns.fd()}, [](const std::function<void()> &ready) {
        std::vector<pollfd> all;
        std::map<int, int> type_of; // listeners
        for (const Ip &ip : {resolver4, resolver6})
            for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
                int fd = socket(ip.family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);
                int on = 1;
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                SockAddr own(ip, dns);
                must(bind(fd, own.get(), own.length) == 0, "bind");
                if (type == SOCK_STREAM) must(listen(fd, 64) == 0, "listen");
                type_of[fd] = type;
                all.push_back({fd, POLLIN, 0});
            }
        ready();
        static char data[1 << 16] = "resolver:";
        const std::size_t head = strlen(data);
        while (poll(all.data(), all.size(), -1) >= 0 || errno == EINTR)
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (!all[i].revents) continue;
                const int fd = all[i].fd;
                const auto listens = type_of.find(fd);
                SockAddr from;
                from.length = sizeof(from.storage);
                if (listens != type_of.end() && listens->second == SOCK_STREAM) {
                    all.push_back({accept(fd, nullptr, nullptr), POLLIN, 0});
                    break;
                }
                ssize_t got = recvfrom(fd, data + head, sizeof(data) - head, 0, from.get(), &from.length);
                if (got > 0) {
                    std::size_t bytes = head + static_cast<std::size_t>(got);
                    if (Bytes(data, bytes).find(ask_big) != Bytes::npos && bytes < big_answer) {
                        memset(data + bytes, '.', big_answer - bytes);
                        bytes = big_answer;
                    }
                    sendto(fd, data, bytes, MSG_NOSIGNAL, listens != type_of.end() ? from.get() : nullptr,
                           listens != type_of.end() ? from.length : 0);
                } else if (listens == type_of.end()) {
                    close(fd);
                    all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
                    break;
                }
            }
    });
}

struct How {
    int type = SOCK_DGRAM;
    bool connected = false;
    const char *device = nullptr;
    Ip source{};
    bool has_source = false;
};

Fd socket_for(const How &how, const Ip &server) {
    Fd fd(socket(server.family == 4 ? AF_INET : AF_INET6, how.type | SOCK_CLOEXEC, 0));
    must(fd.get() >= 0, "socket");
    timeval limit{2, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (how.device)
        must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, how.device, strlen(how.device)) == 0,
             "SO_BINDTODEVICE");
    if (how.has_source) {
        SockAddr own(how.source, 0);
        must(bind(fd.get(), own.get(), own.length) == 0, "bind");
    }
    return fd;
}

Bytes address_bytes(const SockAddr &a) {
    if (a.storage.ss_family == AF_INET)
        return Bytes(
            reinterpret_cast<const char *>(&reinterpret_cast<const sockaddr_in *>(&a.storage)->sin_addr), 4);
    return Bytes(
        reinterpret_cast<const char *>(&reinterpret_cast<const sockaddr_in6 *>(&a.storage)->sin6_addr), 16);
}

void expect_from(const SockAddr &from, const Ip &server) {
    const auto *v4 = reinterpret_cast<const sockaddr_in *>(&from.storage);
    if (address_bytes(from) != server.bytes() || ntohs(v4->sin_port) != dns)
        throw std::runtime_error("the answer is from another than the server asked");
}

void receive_answer(int fd, const How &how, const Ip &server, const Bytes &query) {
    char data[8192];
    Bytes got, want = "resolver:" + query;
    if (query.find(ask_big) != Bytes::npos) want.resize(std::max(want.size(), big_answer), '.');
    SockAddr from;
    while (got.size() < want.size()) {
        from.length = sizeof(from.storage);
        const ssize_t bytes = recvfrom(fd, data, sizeof(data), 0, from.get(), &from.length);
        must(bytes > 0, "no answer");
        got.append(data, static_cast<std::size_t>(bytes));
        if (how.type == SOCK_DGRAM) break;
        // It begins anew for each part that it reads.
        for (std::size_t at; (at = got.find("resolver:", 1)) != Bytes::npos;)
            got.erase(at, strlen("resolver:"));
    }
    if (got != want) throw std::runtime_error("the answer is not the resolver's: " + got.substr(0, 80));
    if (how.type == SOCK_DGRAM) expect_from(from, server); // what c-ares and others insist on
}

void ask(const How &how, const Ip &server, const Bytes &query) {
    const Fd fd = socket_for(how, server);
    SockAddr to(server, dns);
    if (how.connected || how.type == SOCK_STREAM) {
        must(connect(fd.get(), to.get(), to.length) == 0, "connect");
        must(send(fd.get(), query.data(), query.size(), MSG_NOSIGNAL) > 0, "send");
    } else {
        must(sendto(fd.get(), query.data(), query.size(), 0, to.get(), to.length) > 0, "sendto");
    }
    receive_answer(fd.get(), how, server, query);
}

// One unconnected socket, four servers at once: each answer is attributed to the server that was asked.
void ask_four(const How &how, const std::vector<Ip> &servers, const Bytes &query) {
    const Fd fd = socket_for(how, servers.front());
    for (std::size_t i = 0; i < servers.size(); ++i) {
        SockAddr to(servers[i], dns);
        const Bytes each = query + static_cast<char>('0' + i);
        must(sendto(fd.get(), each.data(), each.size(), 0, to.get(), to.length) > 0, "sendto");
    }
    std::string seen;
    for (std::size_t i = 0; i < servers.size(); ++i) {
        char data[256];
        SockAddr from;
        from.length = sizeof(from.storage);
        const ssize_t got = recvfrom(fd.get(), data, sizeof(data), 0, from.get(), &from.length);
        must(got > 0, "no answer");
        const Bytes answer(data, static_cast<std::size_t>(got));
        const char which = answer.back();
        if (answer != "resolver:" + query + which || seen.find(which) != seen.npos)
            throw std::runtime_error("not the resolver's answer: " + answer);
        seen += which;
        expect_from(from, servers.at(static_cast<std::size_t>(which - '0')));
    }
}

struct Cell {
    std::string sender, server;
    const Netns *netns;
    std::function<void(const Bytes &)> body;
};

class Dns : public testing::Test {
  protected:
    void make(const std::string &name, bool both_resolvers = true) {
        world_ = std::make_unique<World>(WorldOptions{.name = name, .tunnel = true, .responder = false});
        resolver_ = start_resolver(world_->isp());
        std::vector<std::string> args = {"eth0", "--dns", resolver4.str(), "--vpn-user",
                                         std::to_string(vpn_uid)};
        if (both_resolvers) args.insert(args.end(), {"--dns", resolver6.str()});
        for (const std::string &word : gateway_args())
            args.push_back(word);
        world_->attach(args);
        title_ = name;
    }

    void add(const std::string &sender, const How &how, const std::string &server, const Ip &ip,
             const Netns &netns) {
        cells_.push_back({sender, server, &netns, [how, ip](const Bytes &query) { ask(how, ip, query); }});
    }

    void add_senders(const Ip &open, const Ip &router, const Ip &inside, const Ip &resolver) {
        const Netns &host = world_->host();
        const std::pair<const char *, How> kinds[] = {
            {"udp", {}},
            {"udp connected", {.connected = true}},
            {"tcp", {.type = SOCK_STREAM}},
            {"udp bound to eth0", {.device = "eth0"}},
            {"tcp bound to eth0", {.type = SOCK_STREAM, .device = "eth0"}}};
        for (const auto &[name, how] : kinds) {
            add(name, how, "public", open, host);
            add(name, how, "router", router, host);
            add(name, how, "by default route", inside, host);
            add(name, how, "resolver", resolver, host);
        }
        const bool v4 = open.family == 4;
        const Seat nated = world_->container_seat(true), routed = world_->container_seat(false);
        for (int type : {SOCK_DGRAM, SOCK_STREAM})
            for (const Seat *seat : {&nated, &routed}) {
                const How how{.type = type, .source = v4 ? seat->source4 : seat->source6, .has_source = true};
                add(fmt::format("{} of a container, {}", type == SOCK_DGRAM ? "udp" : "tcp",
                                seat == &nated ? "masqueraded" : "routed"),
                    how, "public", open, *seat->netns);
            }
        cells_.push_back({"four at once", "all", &host, [=](const Bytes &query) {
                              ask_four({}, {open, router, inside, resolver}, query);
                          }});
        cells_.push_back({"four at once, bound to eth0", "all", &host, [=](const Bytes &query) {
                              ask_four({.device = "eth0"}, {open, router, inside, resolver}, query);
                          }});
    }

    // Each cell, and a table of them. WANT: whether there shall be an answer.
    void run(bool want) {
        Capture &capture = world_->capture();
        fmt::print("{:<34} {:<18} {:<8} {}\n", title_, "asked", "clear", "asker");
        int number = 0;
        for (const Cell &cell : cells_) {
            const Bytes query = fmt::format("lk<dns-{}-{}>", title_, number++);
            const std::size_t since = capture.position();
            const std::string trouble = as({.netns = cell.netns->fd(), .uid = 0}, [&] { cell.body(query); });
            capture.settle();
            Mark mark;
            mark.bytes(query);
            for (const Ip &ip :
                 {public4, public6, router4, router6, resolver4, resolver6, tunneled4, tunneled6})
                mark.flow(ip, dns);
            const std::size_t clear = capture.count(mark, since);
            fmt::print("{:<34} {:<18} {:<8} {}\n", cell.sender, cell.server, clear,
                       trouble.empty() ? "answered by whom it asked" : trouble);
            EXPECT_EQ(clear, 0u) << cell.sender << " to " << cell.server << ": seen in the clear";
            EXPECT_EQ(trouble.empty(), want) << cell.sender << " to " << cell.server << ": " << trouble;
        }
        if (HasFailure()) fmt::print("{}", world_->leakbpf({"status"}).out);
    }

    std::unique_ptr<World> world_;
    std::unique_ptr<Helper> resolver_;
    std::vector<Cell> cells_;
    std::string title_;
};

TEST_F(Dns, IPv4) {
    make("dns4");
    add_senders(public4, router4, tunneled4, resolver4);
    run(true);
}

TEST_F(Dns, IPv6) {
    make("dns6");
    add_senders(public6, router6, tunneled6, resolver6);
    run(true);
}

TEST_F(Dns, IPv6AskedAndOnlyAnIPv4Resolver) {
    make("dns64", false);
    add_senders(public6, router6, tunneled6, Ip::of("2001:db8:f:8000::54"));
    run(true);
}

TEST_F(Dns, ReversePathFilter) {
    make("dnsrp");
    for (const char *mode : {"1", "2"}) {
        for (const char *key :
             {"ipv4/conf/all/rp_filter", "ipv4/conf/eth0/rp_filter", "ipv4/conf/tun0/rp_filter"})
            world_->host().sysctl(key, mode);
        cells_.clear();
        const Netns &host = world_->host();
        add(fmt::format("udp, rp_filter {}", mode), {}, "public", public4, host);
        add(fmt::format("tcp, rp_filter {}", mode), {.type = SOCK_STREAM}, "public", public4, host);
        add(fmt::format("udp, rp_filter {}", mode), {}, "by default route", tunneled4, host);
        run(true);
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

    std::string trouble_of(const std::function<void()> &body) const {
        return as({.netns = world_->host().fd(), .uid = 0}, body);
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
    expect_errors_back({public4, public6});
}

TEST_F(DnsSize, NarrowTunnelWithAnIPv4Resolver) {
    make_narrow("dnsmtu64", false);
    expect_sizes({public4, public6}, 1300);
    expect_errors_back({public4, public6});
}

TEST_F(Dns, TunnelDownAndUpAgain) {
    make("dnsup");
    const auto both = [&] {
        cells_.clear();
        for (const Ip &ip : {public4, public6}) {
            add("udp", {}, ip.family == 4 ? "public v4" : "public v6", ip, world_->host());
            add("tcp", {.type = SOCK_STREAM}, ip.family == 4 ? "public v4" : "public v6", ip, world_->host());
        }
    };
    both();
    run(true);
    resolver_.reset();
    world_->tunnel_down();
    both();
    run(false);
    world_->tunnel_up();
    resolver_ = start_resolver(world_->isp());
    EXPECT_TRUE(eventually([&] {
        return as({.netns = world_->host().fd(), .uid = 0}, [] { ask({}, public4, "again"); }).empty();
    }));
    both();
    run(true);
}

} // namespace
