// SPDX-License-Identifier: MIT
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <stdexcept>

#include "dns_world.h"
#include "harness/must.h"

namespace lk::harness {

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

void expect_from(const SockAddr &from, const Ip &server) {
    if (from.ip() != server || from.port() != dns)
        throw std::runtime_error("the answer is from another than the server asked");
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
    const auto ms = how.patience.count();
    const timeval limit{ms / 1000, ms % 1000 * 1000};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (how.device)
        must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, how.device, strlen(how.device)) == 0,
             "SO_BINDTODEVICE");
    if (how.has_source) {
        SockAddr own(how.source, how.port);
        must(bind(fd.get(), own.get(), own.length) == 0, "bind");
    }
    return fd;
}

namespace {

void connect_as(const Fd &fd, const How &how, const Ip &server) {
    const SockAddr to(server, dns);
    if (how.connects()) must(connect(fd.get(), to.get(), to.length) == 0, "connect");
}

} // namespace

Fd asker_in(const Netns &netns, const How &how, const Ip &server) {
    Fd fd;
    netns.inside([&] {
        fd = socket_for(how, server);
        connect_as(fd, how, server);
    });
    return fd;
}

Local local_of(const Fd &fd) {
    SockAddr own;
    own.length = sizeof(own.storage);
    must(getsockname(fd.get(), own.get(), &own.length) == 0, "getsockname");
    return {own.ip(), own.port()};
}

void send_query(int fd, const How &how, const Ip &server, const Bytes &query) {
    const SockAddr to(server, dns);
    const bool names = !how.connects() || how.named;
    must(sendto(fd, query.data(), query.size(), MSG_NOSIGNAL, names ? to.get() : nullptr,
                names ? to.length : 0) > 0,
         "send");
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
    connect_as(fd, how, server);
    send_query(fd.get(), how, server, query);
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

std::string caught(const std::function<void()> &body) {
    try {
        body();
    } catch (const std::exception &error) {
        return error.what();
    }
    return {};
}

} // namespace lk::harness
