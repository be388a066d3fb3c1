// SPDX-License-Identifier: MIT
// bench_dns: queries to a public server, through leakbpf (by its socket hooks, and translated packet by
// packet), through nftables (DNAT and masquerade; twice, to see the noise) and unfiltered, in turns of one
// run. A figure is the median of those of the turns. Exit status 1 if a query was lost, 77 without root.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/dns_world.h"
#include "harness/sandbox.h"

namespace lk::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Micros = std::chrono::duration<double, std::micro>;

constexpr std::size_t query_bytes = 40;
constexpr int answer_limit_ms = 2000;

// BOUND: to a port, so that the socket hooks leave it alone.
Fd connected(bool bound) {
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

struct Asker {
    Fd fd;
    std::uint64_t number = 0; // of the query that it waits for
    Clock::time_point since{};
};

// Of one turn, in the order of the table's columns: microseconds, but for the two rates.
using Figures = std::array<double, 8>;

struct Score {
    std::vector<Figures> turns;
    std::uint64_t asked = 0, lost = 0;
};

class Run {
  public:
    Run(Score &score, bool bound) : score_(score), bound_(bound) {}

    // COUNT queries, AT_ONCE on their way, each by a new socket (FRESH) or by AT_ONCE old ones. Returns how
    // many were answered in a second.
    double ask(std::uint64_t count, std::size_t at_once, bool fresh, std::vector<double> &latencies) {
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
                asker.fd = connected(bound_);
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
                latencies.push_back(Micros(Clock::now() - askers[which].since).count());
                ++done;
                start(which);
            }
        }
        score_.asked += count;
        score_.lost += count - done;
        return static_cast<double>(done) / std::chrono::duration<double>(Clock::now() - from).count();
    }

  private:
    Score &score_;
    bool bound_;
};

double quantile(std::vector<double> values, double q) {
    if (values.empty()) return 0;
    const auto at = static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + at, values.end());
    return values[static_cast<std::size_t>(at)];
}

// Of each figure the median over the turns: what disturbs one turn disturbs no figure.
template <typename Of>
Figures medians(std::size_t turns, const Of &of) {
    Figures all{};
    for (std::size_t figure = 0; figure < all.size(); ++figure) {
        std::vector<double> values;
        for (std::size_t turn = 0; turn < turns; ++turn)
            values.push_back(of(turn, figure));
        all[figure] = quantile(std::move(values), 0.5);
    }
    return all;
}

constexpr std::pair<Way, Way> ratios[] = {{Way::leakbpf, Way::nftables},
                                          {Way::translated, Way::nftables},
                                          {Way::nftables_again, Way::nftables}, // how much is noise
                                          {Way::leakbpf, Way::unfiltered},
                                          {Way::translated, Way::unfiltered}};

struct Options {
    int rounds = 10;
    std::uint64_t queries = 100'000, sockets = 5'000;
    std::size_t at_once = 64;
};

Figures turn_of(const Options &options, Way way, Score &score) {
    const auto rounds = static_cast<std::uint64_t>(options.rounds);
    Run run(score, way == Way::translated);
    std::vector<double> alone, crowded, fresh;
    run.ask(options.sockets / rounds, 1, true, alone);
    const double rate = run.ask(options.queries / rounds, options.at_once, false, crowded);
    const double fresh_rate = run.ask(options.sockets / rounds, options.at_once, true, fresh);
    return {quantile(alone, 0.5),   quantile(alone, 0.99),   rate,
            quantile(crowded, 0.5), quantile(crowded, 0.99), fresh_rate,
            quantile(fresh, 0.5),   quantile(fresh, 0.99)};
}

// Returns how many queries were lost that leakbpf carried.
std::uint64_t measure(const Options &options, Route route) {
    std::map<Way, std::unique_ptr<DnsWorld>> worlds;
    std::map<Way, Score> scores;
    for (const Way way : ways)
        worlds[way] = std::make_unique<DnsWorld>(way, route);
    for (int round = 0; round < options.rounds; ++round)
        for (std::size_t i = 0; i < std::size(ways); ++i) {
            const Way way = ways[(i + static_cast<std::size_t>(round)) % std::size(ways)];
            worlds[way]->host().inside(
                [&] { scores[way].turns.push_back(turn_of(options, way, scores[way])); });
        }
    fmt::print("\n{:<22} {:>21} {:>32} {:>32}\n",
               route == Route::tunnel ? "route by the tunnel" : "route by the uplink",
               "one by one, new sockets", fmt::format("{} at once, old sockets", options.at_once),
               fmt::format("{} at once, new sockets", options.at_once));
    fmt::print("{:<22} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>8} {:>6}\n", "", "p50 us",
               "p99 us", "queries/s", "p50 us", "p99 us", "queries/s", "p50 us", "p99 us", "asked", "lost");
    std::uint64_t lost = 0;
    for (const Way way : ways) {
        const Score &score = scores[way];
        fmt::print("{:<22}", name_of(way));
        for (const double value : medians(score.turns.size(), [&score](std::size_t turn, std::size_t figure) {
                 return score.turns[turn][figure];
             }))
            fmt::print(" {:>10.1f}", value);
        fmt::print(" {:>8} {:>6}\n", score.asked, score.lost);
        lost += way == Way::leakbpf || way == Way::translated ? score.lost : 0;
    }
    // Of turns that were next to each other.
    for (const auto &[own, way] : ratios) {
        fmt::print("{:<22}", fmt::format("{} / {}", name_of(own), name_of(way)));
        const auto &ours = scores[own].turns, &theirs = scores[way].turns;
        for (const double ratio : medians(ours.size(), [&](std::size_t turn, std::size_t figure) {
                 return ours[turn][figure] / theirs[turn][figure];
             }))
            fmt::print(" {:>10.2f}", ratio);
        fmt::print("\n");
    }
    return lost;
}

int main_of(int argc, char **argv) {
    Options options;
    CLI::App app("DNS queries through leakbpf, nftables and nothing");
    app.add_option("--rounds", options.rounds, "turns of each")->check(CLI::Range(1, 1000));
    app.add_option("--queries", options.queries, "in all, of each");
    app.add_option("--sockets", options.sockets, "new sockets in all, of each");
    CLI11_PARSE(app, argc, argv);
    return harness::Sandbox::run_program("bench_dns", [&] {
        fmt::print("{} rounds, a query of {} bytes to 203.0.113.200; {} queries by {} sockets, and {} new "
                   "sockets one by "
                   "one and {} at once\n",
                   options.rounds, query_bytes, options.queries, options.at_once, options.sockets,
                   options.at_once);
        std::uint64_t lost = 0;
        for (const Route route : {Route::tunnel, Route::uplink})
            lost += measure(options, route);
        return lost == 0 ? 0 : 1;
    });
}

} // namespace
} // namespace lk::bench

int main(int argc, char **argv) {
    return lk::bench::main_of(argc, argv);
}
