// SPDX-License-Identifier: MIT
#include "dns_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/must.h"

namespace lk::harness {

const Ip public4 = Ip::of("203.0.113.200"), public6 = Ip::of("2001:db8:f:8000::53");
const Ip tunneled4 = Ip::of("203.0.113.10"), tunneled6 = Ip::of("2001:db8:f::53");
const Ip router4 = Ip::of("10.9.0.1"), router6 = Ip::of("2001:db8:9::1");
const Bytes ask_big = "<big>";

namespace {

Fd listen_at(const Listens &at, int type) {
    Fd fd(socket(at.ip.family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    const SockAddr own(at.ip, at.port);
    must(bind(fd.get(), own.get(), own.length) == 0, "bind");
    if (type == SOCK_STREAM) must(listen(fd.get(), 64) == 0, "listen");
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

// Any frame of TCP or UDP to port 53, whoever made it.
bool is_query(const Bytes &frame) {
    const auto byte = [&frame](std::size_t at) {
        return at < frame.size() ? static_cast<unsigned char>(frame[at]) : 0u;
    };
    const unsigned type = byte(12) << 8 | byte(13);
    const bool v4 = type == 0x0800;
    if (!v4 && type != 0x86dd) return false;
    const unsigned protocol = byte(14 + (v4 ? 9 : 6));
    const std::size_t at = 14 + (v4 ? (byte(14) & 15) * 4 : 40);
    return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && (byte(at + 2) << 8 | byte(at + 3)) == dns;
}

} // namespace

std::unique_ptr<Helper> start_resolver(const Netns &netns, const std::vector<Listens> &at,
                                       const std::string &word) {
    return std::make_unique<Helper>(Identity{.netns = netns.fd()}, [&](const std::function<void()> &ready) {
        struct Port {
            Fd fd;
            bool listens, datagrams;
        };
        std::vector<Port> ports;
        for (const Listens &each : at) {
            ports.push_back({listen_at(each, SOCK_DGRAM), false, true});
            ports.push_back({listen_at(each, SOCK_STREAM), true, false});
        }
        ready();
        static char data[1 << 16];
        const std::size_t head = word.size() + 1;
        memcpy(data, (word + ":").data(), head);
        for (;;) {
            std::vector<pollfd> all;
            for (const Port &port : ports)
                all.push_back({port.fd.get(), POLLIN, 0});
            if (poll(all.data(), all.size(), -1) < 0) continue;
            for (std::size_t i = 0; i < all.size(); ++i) {
                if (!all[i].revents) continue;
                if (ports[i].listens) {
                    ports.push_back({Fd(accept4(all[i].fd, nullptr, nullptr, SOCK_CLOEXEC)), false, false});
                    continue;
                }
                SockAddr from;
                from.length = sizeof(from.storage);
                const ssize_t got =
                    recvfrom(all[i].fd, data + head, sizeof(data) - head, 0, from.get(), &from.length);
                if (got <= 0) {
                    if (!ports[i].datagrams) ports[i].fd.reset();
                    continue;
                }
                std::size_t bytes = head + static_cast<std::size_t>(got);
                if (Bytes(data, bytes).find(ask_big) != Bytes::npos && bytes < big_answer) {
                    memset(data + bytes, '.', big_answer - bytes);
                    bytes = big_answer;
                }
                sendto(all[i].fd, data, bytes, MSG_NOSIGNAL, ports[i].datagrams ? from.get() : nullptr,
                       ports[i].datagrams ? from.length : 0);
            }
            std::erase_if(ports, [](const Port &port) { return !port.fd; });
        }
    });
}

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

void receive_answer(int fd, const How &how, const Ip &server, const Bytes &query) {
    char data[8192];
    const Bytes head = how.word + ":";
    Bytes got, want = head + query;
    if (query.find(ask_big) != Bytes::npos) want.resize(std::max(want.size(), big_answer), '.');
    SockAddr from;
    while (got.size() < want.size()) {
        from.length = sizeof(from.storage);
        const ssize_t bytes = recvfrom(fd, data, sizeof(data), 0, from.get(), &from.length);
        must(bytes > 0, "no answer");
        got.append(data, static_cast<std::size_t>(bytes));
        if (how.type == SOCK_DGRAM) break;
        // It begins anew for each part that it reads.
        for (std::size_t at; (at = got.find(head, 1)) != Bytes::npos;)
            got.erase(at, head.size());
    }
    if (got != want) throw std::runtime_error("the answer is not the resolver's: " + got.substr(0, 80));
    if (how.type == SOCK_DGRAM) expect_from(from, server); // what c-ares and others insist on
}

void ask(const How &how, const Ip &server, const Bytes &query) {
    const Fd fd = socket_for(how, server);
    SockAddr to(server, dns);
    if (how.connected || how.type == SOCK_STREAM) {
        must(connect(fd.get(), to.get(), to.length) == 0, "connect");
        const socklen_t length = how.named ? to.length : 0;
        must(sendto(fd.get(), query.data(), query.size(), MSG_NOSIGNAL, length ? to.get() : nullptr, length) >
                 0,
             "send");
    } else {
        must(sendto(fd.get(), query.data(), query.size(), 0, to.get(), to.length) > 0, "sendto");
    }
    receive_answer(fd.get(), how, server, query);
}

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
        if (answer != how.word + ":" + query + which || seen.find(which) != seen.npos)
            throw std::runtime_error("not the resolver's answer: " + answer);
        seen += which;
        expect_from(from, servers.at(static_cast<std::size_t>(which - '0')));
    }
}

void DnsTest::make(const WorldOptions &options, const std::vector<std::string> &resolvers,
                   const std::vector<std::string> &more) {
    world_ = std::make_unique<World>(options);
    title_ = options.name;
    attach(resolvers, more);
}

void DnsTest::make(const std::string &name, bool both_resolvers) {
    std::vector<std::string> resolvers = {resolver4.str()};
    if (both_resolvers) resolvers.push_back(resolver6.str());
    make({.name = name, .tunnel = true, .responder = false}, resolvers);
    resolver_ = start_resolver(world_->isp());
}

void DnsTest::attach(const std::vector<std::string> &resolvers, const std::vector<std::string> &more) {
    std::vector<std::string> args = {"eth0", "--vpn-user", std::to_string(vpn_uid)};
    for (const std::string &resolver : resolvers)
        args.insert(args.end(), {"--dns", resolver});
    for (const std::string &word : gateway_args())
        args.push_back(word);
    args.insert(args.end(), more.begin(), more.end());
    world_->attach(args);
}

void DnsTest::add(const std::string &sender, const How &how, const std::string &server, const Ip &ip,
                  const Netns &netns) {
    How asked = how;
    asked.word = word_;
    rows_.push_back({sender, server, &netns, [asked, ip](const Bytes &query) { ask(asked, ip, query); }});
}

void DnsTest::add_senders(const Ip &open, const Ip &router, const Ip &inside, const Ip &resolver) {
    const Netns &host = world_->host();
    const bool v4 = open.family == 4, pinned_lose = strict_ && v4;
    const std::pair<const char *, How> kinds[] = {
        {"udp", {}},
        {"udp connected", {.connected = true}},
        {"udp connected, named again", {.connected = true, .named = true}},
        {"tcp", {.type = SOCK_STREAM}},
        {"udp bound to eth0", {.device = "eth0"}},
        {"tcp bound to eth0", {.type = SOCK_STREAM, .device = "eth0"}}};
    for (const auto &[name, how] : kinds) {
        add(name, how, "public", open, host);
        add(name, how, "router", router, host);
        if (pinned_lose && how.device) continue;
        add(name, how, "by default route", inside, host);
        add(name, how, "resolver", resolver, host);
    }
    const Seat nated = world_->container_seat(true), routed = world_->container_seat(false);
    for (int type : {SOCK_DGRAM, SOCK_STREAM})
        for (const Seat *seat : {&nated, &routed}) {
            const How how{.type = type, .source = v4 ? seat->source4 : seat->source6, .has_source = true};
            add(fmt::format("{} of a container, {}", type == SOCK_DGRAM ? "udp" : "tcp",
                            seat == &nated ? "masqueraded" : "routed"),
                how, "public", open, *seat->netns);
        }
    rows_.push_back({"four at once", "all", &host, [=, word = word_](const Bytes &query) {
                         ask_four({.word = word}, {open, router, inside, resolver}, query);
                     }});
    if (pinned_lose) return;
    rows_.push_back({"four at once, bound to eth0", "all", &host, [=, word = word_](const Bytes &query) {
                         ask_four({.device = "eth0", .word = word}, {open, router, inside, resolver}, query);
                     }});
}

void DnsTest::filter_reverse_paths(const char *mode) {
    for (const char *key :
         {"ipv4/conf/all/rp_filter", "ipv4/conf/eth0/rp_filter", "ipv4/conf/tun0/rp_filter"})
        world_->host().sysctl(key, mode);
    strict_ = std::string(mode) == "1";
}

void DnsTest::add_both_protocols() {
    for (const Ip &ip : {public4, public6})
        for (const int type : {SOCK_DGRAM, SOCK_STREAM})
            add(type == SOCK_DGRAM ? "udp" : "tcp", {.type = type},
                ip.family == 4 ? "public v4" : "public v6", ip, world_->host());
}

void DnsTest::run(bool want) {
    Capture &capture = world_->capture();
    fmt::print("{:<34} {:<18} {:<8} {}\n", title_, "asked", "clear", "asker");
    for (const Row &row : rows_) {
        const Bytes query = fmt::format("lk<dns-{}-{}>", title_, number_++);
        const std::size_t since = capture.position();
        const std::string trouble = as({.netns = row.netns->fd(), .uid = 0}, [&] { row.body(query); });
        capture.settle();
        Mark mark;
        mark.bytes(query);
        std::size_t clear = capture.count(mark, since);
        for (std::size_t i = since; i < capture.position(); ++i)
            clear += is_query(capture.frame(i));
        fmt::print("{:<34} {:<18} {:<8} {}\n", row.sender, row.server, clear,
                   trouble.empty() ? "answered by whom it asked" : trouble);
        EXPECT_EQ(clear, 0u) << row.sender << " to " << row.server << ": seen in the clear";
        EXPECT_EQ(trouble.empty(), want) << row.sender << " to " << row.server << ": " << trouble;
    }
    rows_.clear();
    if (HasFailure()) fmt::print("{}", world_->leakbpf({"status"}).out);
}

void DnsTest::goes_down_and_up() {
    add_both_protocols();
    run(true);
    resolver_.reset();
    world_->tunnel_down();
    add_both_protocols();
    run(false);
    world_->tunnel_up();
    resolver_ = start_resolver(world_->isp());
    EXPECT_TRUE(comes());
    add_both_protocols();
    run(true);
}

bool DnsTest::comes(const Ip &server) {
    return eventually([&] { return trouble_of([&] { ask({.word = word_}, server, "comes"); }).empty(); });
}

std::string DnsTest::trouble_of(const std::function<void()> &body) const {
    return as({.netns = world_->host().fd(), .uid = 0}, body);
}

} // namespace lk::harness
