// SPDX-License-Identifier: MIT
#include "bench/dns_ask.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace lk::bench {

namespace {

using Clock = std::chrono::steady_clock;
using Micros = std::chrono::duration<double, std::micro>;

constexpr int answer_limit_ms = 2000;

struct Asker {
    Fd fd;
    std::uint64_t number = 0; // of the query that it waits for
    Clock::time_point since{};
};

} // namespace

Fd dns_socket(bool bound) {
    Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    if (bound && bind(fd.get(), reinterpret_cast<sockaddr *>(&any), sizeof(any)) != 0)
        throw std::runtime_error(fmt::format("bind: {}", std::strerror(errno)));
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(53);
    inet_pton(AF_INET, "203.0.113.200", &server.sin_addr);
    if (!fd || connect(fd.get(), reinterpret_cast<sockaddr *>(&server), sizeof(server)) != 0)
        throw std::runtime_error(fmt::format("connect: {}", std::strerror(errno)));
    return fd;
}

double ask_dns(std::uint64_t count, std::size_t at_once, bool fresh, bool bound,
               std::vector<double> &latencies_us, DnsLoss &loss) {
    const Fd poller(epoll_create1(EPOLL_CLOEXEC));
    std::vector<Asker> askers(at_once);
    std::uint64_t sent = 0, done = 0;
    const auto start = [&](std::size_t which) {
        Asker &asker = askers[which];
        if (sent == count) {
            asker.fd = Fd{};
            return;
        }
        if (fresh || !asker.fd) {
            asker.fd = dns_socket(bound);
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u64 = which;
            epoll_ctl(poller.get(), EPOLL_CTL_ADD, asker.fd.get(), &event);
        }
        asker.number = ++sent;
        asker.since = Clock::now();
        std::array<char, query_bytes> query{};
        std::memcpy(query.data(), &asker.number, sizeof(asker.number));
        if (send(asker.fd.get(), query.data(), query.size(), 0) < 0)
            throw std::runtime_error(fmt::format("send: {}", std::strerror(errno)));
    };
    const auto from = Clock::now();
    for (std::size_t i = 0; i < at_once; ++i)
        start(i);
    while (done < count) {
        std::array<epoll_event, 64> events{};
        const int got = epoll_wait(poller.get(), events.data(), events.size(), answer_limit_ms);
        if (got <= 0) break; // nothing more comes: the rest is lost
        for (int i = 0; i < got; ++i) {
            const std::size_t which = events[static_cast<std::size_t>(i)].data.u64;
            std::array<char, query_bytes> answer{};
            std::uint64_t number = 0;
            if (recv(askers[which].fd.get(), answer.data(), answer.size(), 0) !=
                static_cast<ssize_t>(query_bytes))
                throw std::runtime_error(fmt::format("recv: {}", std::strerror(errno)));
            std::memcpy(&number, answer.data(), sizeof(number));
            if (number != askers[which].number) continue; // another query's answer is none
            latencies_us.push_back(Micros(Clock::now() - askers[which].since).count());
            ++done;
            start(which);
        }
    }
    loss.asked += count;
    loss.lost += count - done;
    return static_cast<double>(done) / std::chrono::duration<double>(Clock::now() - from).count();
}

std::vector<double> look_up_us(unsigned count, bool bound, DnsLoss &loss) {
    std::vector<double> took;
    const timeval limit{answer_limit_ms / 1000, 0};
    std::array<char, query_bytes> query{}, answer{};
    for (unsigned i = 0; i < count; ++i) {
        const auto since = Clock::now();
        const Fd fd = dns_socket(bound);
        setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        query[0] = static_cast<char>(i);
        send(fd.get(), query.data(), query.size(), 0);
        const bool answered = recv(fd.get(), answer.data(), answer.size(), 0) > 0 && answer == query;
        took.push_back(Micros(Clock::now() - since).count());
        ++loss.asked;
        if (!answered) ++loss.lost;
    }
    return took;
}

} // namespace lk::bench
