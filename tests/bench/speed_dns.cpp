// SPDX-License-Identifier: MIT
// A name looked up from a server in the internet: by the socket hook, translated at TC, through nftables, and
// unfiltered, over a tunnel that is a bare veth.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <tuple>

#include "bench/dns_ask.h"
#include "bench/dns_world.h"
#include "bench/speed_parts.h"

namespace lk::bench {

namespace {

constexpr unsigned all_lost_queries = 5'000;
constexpr std::size_t at_once = 64;

struct Asked {
    Way way;
    const char *title;
};

constexpr Asked all_asked[] = {{Way::unfiltered, "no filter"},
                               {Way::unfiltered_again, "no filter, again"},
                               {Way::leakbpf, "leakbpf, by the hook"},
                               {Way::translated, "leakbpf, at TC"},
                               {Way::nftables, "nft, DNAT"}};

struct Answers {
    std::map<Way, Series> latencies;
    std::map<Way, DnsLoss> losses;
};

Answers ask(Route route, unsigned rounds) {
    std::map<Way, std::unique_ptr<DnsWorld>> worlds;
    for (const Asked &asked : all_asked)
        worlds[asked.way] = std::make_unique<DnsWorld>(asked.way, route);
    Answers answers;
    const auto bound = [](Way way) { return way == Way::translated; };
    take_turns(std::size(all_asked), rounds, [&](std::size_t which, unsigned round) {
        const Way way = all_asked[which].way;
        worlds[way]->inside([&] {
            const auto took = look_up_us(lookups_in_a_turn, bound(way), answers.losses[way]);
            if (round > 0) answers.latencies[way].push_back(middle(took).value);
        });
    });
    for (const Asked &asked : all_asked)
        worlds[asked.way]->inside([&] {
            std::vector<double> latencies;
            ask_dns(all_lost_queries, at_once, true, bound(asked.way), latencies, answers.losses[asked.way]);
        });
    return answers;
}

void fill(const Answers &answers, const char *route, Sheet &sheet) {
    for (const auto &[way, title] : all_asked) {
        sheet.put(title, fmt::format("latency, {}", route),
                  ratio(answers.latencies.at(way), answers.latencies.at(Way::unfiltered)));
        sheet.put(title, fmt::format("lost, {}", route),
                  {static_cast<double>(answers.losses.at(way).lost), 0});
    }
    const Series &none = answers.latencies.at(Way::unfiltered);
    const auto added_ns = [&](Way way) {
        const Estimate us = difference(answers.latencies.at(way), none);
        return rounded({us.value * 1000, us.error * 1000}, true);
    };
    sheet.notes.push_back(fmt::format(
        "{}: {} queries each, {} of them {} at a time. Unfiltered one took {:.1f} us; by the hook "
        "{} ns, at TC {} ns.",
        route, answers.losses.at(Way::leakbpf).asked, all_lost_queries, at_once, middle(none).value,
        added_ns(Way::leakbpf), added_ns(Way::translated)));
}

void judge(const Answers &answers, const char *id, const char *route, SpeedReport &report) {
    const Series &none = answers.latencies.at(Way::unfiltered);
    report.goals.push_back({fmt::format("dns.{}.hook", id), fmt::format("DNS by the hook, {}", route),
                            ratio(answers.latencies.at(Way::leakbpf), none), 1.04});
    report.goals.push_back({fmt::format("dns.{}.tc", id), fmt::format("DNS at TC, {}", route),
                            ratio(answers.latencies.at(Way::translated), none), 1.20});
    const std::uint64_t lost = answers.losses.at(Way::leakbpf).lost + answers.losses.at(Way::translated).lost;
    report.goals.push_back({fmt::format("dns.{}.lost", id),
                            fmt::format("DNS queries lost, {}", route),
                            {static_cast<double>(lost), 0},
                            0});
}

} // namespace

// On one CPU: asker and server wake each other, and which CPU that happens on would be most of what is seen.
void measure_dns(const Plan &plan, SpeedReport &report) {
    const OnFirstCpu one_cpu;
    Sheet sheet{.part = "dns", .title = "DNS: a new socket, a query, its answer"};
    for (const auto &[route, id, text] : {std::tuple(Route::tunnel, "tunnel", "route by the tunnel"),
                                          std::tuple(Route::uplink, "uplink", "route by the uplink")}) {
        const Answers answers = ask(route, plan.rounds);
        fill(answers, text, sheet);
        judge(answers, id, text, report);
    }
    report.sheets.push_back(std::move(sheet));
}

} // namespace lk::bench
