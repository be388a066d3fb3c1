// SPDX-License-Identifier: MIT
// Nanoseconds for each packet that the uplink's program judges, next to an empty program. All programs take
// turns in every round, so that whatever slows the machine slows all of them; medians over the rounds.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/rows.h"
#include "cases/cases.h"

using namespace lk;
using namespace lk::bench;

namespace {

constexpr double allowed_over_empty_ns = 70, allowed_growth = 1.3;

struct Options {
    bool json = false;
    unsigned rounds = 15, repeat = 200'000, largest = 100'000;
    std::vector<std::string> objects;
};

struct Series {
    std::vector<double> program, empty;
    static double median(std::vector<double> values) {
        std::sort(values.begin(), values.end());
        return values.empty() ? 0 : values[values.size() / 2];
    }
};

std::vector<Series> measure(const Plan &plan, const Options &options) {
    std::vector<std::unique_ptr<Subject>> subjects;
    for (const Setting &setting : plan.settings)
        subjects.push_back(std::make_unique<Subject>(setting.world, setting.policies, setting.object));
    std::vector<Series> series(plan.rows.size());
    for (unsigned round = 0; round <= options.rounds; round++) {
        for (std::size_t i = 0; i < plan.rows.size(); i++) {
            const Row &row = plan.rows[i];
            const Subject &subject = *subjects[row.setting];
            subject.set_knobs(row.knobs);
            double empty = subject.run_empty(row.front, row.frame, options.repeat).ns;
            subject.exhaust_limits();
            double ns = subject.run(row.front, row.frame, options.repeat).ns;
            if (round > 0) { // the first warms up, and shows that the packet is what the row says
                series[i].program.push_back(ns);
                series[i].empty.push_back(empty);
            } else if (int reason = subject.reason(); reason != row.reason && options.objects.empty()) {
                throw std::runtime_error(
                    fmt::format("«{}» came out as {}, expected {}", row.name,
                                reason < 0 ? "nothing" : reason_name(static_cast<lk_reason>(reason)),
                                reason_name(row.reason)));
            }
        }
    }
    return series;
}

// The limits of the specification, on the rows to one hot destination.
struct Judgement {
    double over_empty_ns = 0, growth = 0; // of the worst; largest against smallest, totals as measured
    bool holds() const { return over_empty_ns <= allowed_over_empty_ns && growth <= allowed_growth; }
};

Judgement judge(const Plan &plan, const std::vector<Series> &series) {
    Judgement out;
    double least = 0;
    for (std::size_t i = 0; i < plan.rows.size(); i++) {
        if (!plan.rows[i].hot) continue;
        double ns = Series::median(series[i].program);
        if (least == 0) least = ns; // the smallest comes first
        out.over_empty_ns = std::max(out.over_empty_ns, ns - Series::median(series[i].empty));
        out.growth = std::max(out.growth, ns / least);
    }
    return out;
}

void print_table(const Plan &plan, const std::vector<Series> &series) {
    fmt::print("{:<12} {:<28} {:>9} {:>9} {:>7} {:>7} {:>7}\n", "reason", "packet", "gateways", "policies",
               "ns", "empty", "+ns");
    for (std::size_t i = 0; i < plan.rows.size(); i++) {
        const Row &row = plan.rows[i];
        const Setting &setting = plan.settings[row.setting];
        if (!setting.object.empty() &&
            (i == 0 || plan.settings[plan.rows[i - 1].setting].object != setting.object))
            fmt::print("{}:\n", setting.object);
        double ns = Series::median(series[i].program), empty = Series::median(series[i].empty);
        fmt::print("{:<12} {:<28} {:>9} {:>9} {:>7.0f} {:>7.0f} {:>7.0f}\n", reason_name(row.reason),
                   row.name, setting.gateways, setting.policies, ns, empty, ns - empty);
    }
    Judgement result = judge(plan, series);
    fmt::print("\nAllowed packet to one hot destination: {:.0f} ns over the empty program at worst (at most "
               "{:.0f}), "
               "{:.2f} times the smallest (at most {:.1f}): {}\n",
               result.over_empty_ns, allowed_over_empty_ns, result.growth, allowed_growth,
               result.holds() ? "holds" : "DOES NOT HOLD");
    fmt::print("«gateways» is for each policy. Random destinations and the marked VPN user have their "
               "preparation in "
               "«empty» too.\n");
}

void print_json(const Plan &plan, const std::vector<Series> &series, const Options &options) {
    nlohmann::ordered_json out;
    out["rounds"] = options.rounds;
    out["repeat"] = options.repeat;
    for (std::size_t i = 0; i < plan.rows.size(); i++) {
        const Row &row = plan.rows[i];
        const Setting &setting = plan.settings[row.setting];
        out["rows"].push_back({{"reason", reason_name(row.reason)},
                               {"packet", row.name},
                               {"object", setting.object},
                               {"gateways", setting.gateways},
                               {"policies", setting.policies},
                               {"ns", Series::median(series[i].program)},
                               {"empty_ns", Series::median(series[i].empty)}});
    }
    Judgement result = judge(plan, series);
    out["hot_destination"] = {
        {"over_empty_ns", result.over_empty_ns}, {"growth", result.growth}, {"holds", result.holds()}};
    fmt::print("{}\n", out.dump(2));
}

} // namespace

int main(int argc, char **argv) {
    Options options;
    CLI::App app{"ns per packet of the uplink's program, by BPF_PROG_TEST_RUN; attaches nothing",
                 "bench_prog"};
    app.add_flag("--json", options.json, "print JSON");
    app.add_option("--rounds", options.rounds, "rounds in which all programs take turns")
        ->check(CLI::PositiveNumber);
    app.add_option("--repeat", options.repeat, "packets for each turn")->check(CLI::PositiveNumber);
    app.add_option("--largest", options.largest, "leave out settings with more gateways in all");
    app.add_option("--object", options.objects,
                   "measure this object file instead of the built-in program; several are compared")
        ->check(CLI::ExistingFile);
    CLI11_PARSE(app, argc, argv);
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
        fmt::print(stderr, "bench_prog: needs root to load BPF programs\n");
        return 77;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
    try {
        const Plan plan = make_plan(options.largest, options.objects);
        const std::vector<Series> series = measure(plan, options);
        options.json ? print_json(plan, series, options) : print_table(plan, series);
    } catch (const std::exception &error) {
        fmt::print(stderr, "bench_prog: {}\n", error.what());
        return 1;
    }
    return 0;
}
