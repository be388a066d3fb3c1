// SPDX-License-Identifier: MIT
// bench_dns: queries to a public server, through leakbpf (by its socket hooks, and translated packet by
// packet), through nftables (DNAT and masquerade; twice, to see the noise) and unfiltered, in turns of one
// run. A figure is the median of those of the turns. Exit status 1 if a query was lost, 77 without root.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "bench/dns_ask.h"
#include "bench/dns_world.h"
#include "harness/sandbox.h"

namespace lk::bench {
namespace {

// Of one turn, in the order of the table's columns: microseconds, but for the two rates.
using Figures = std::array<double, 8>;

struct Score {
    std::vector<Figures> turns;
    DnsLoss loss;
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
    const bool bound = way == Way::translated;
    DnsLoss &loss = score.loss;
    std::vector<double> alone, crowded, fresh;
    ask_dns(options.sockets / rounds, 1, true, bound, alone, loss);
    const double rate = ask_dns(options.queries / rounds, options.at_once, false, bound, crowded, loss);
    const double fresh_rate = ask_dns(options.sockets / rounds, options.at_once, true, bound, fresh, loss);
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
            worlds[way]->inside([&] { scores[way].turns.push_back(turn_of(options, way, scores[way])); });
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
        fmt::print(" {:>8} {:>6}\n", score.loss.asked, score.loss.lost);
        lost += way == Way::leakbpf || way == Way::translated ? score.loss.lost : 0;
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
