// SPDX-License-Identifier: MIT
// What is lost and what leaks while the policy is replaced again and again, under two floods: one that every
// policy allows, one that none does. The far side counts.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "bench/speed_commands.h"
#include "bench/speed_flood.h"
#include "bench/speed_parts.h"
#include "harness/must.h"

namespace lk::bench {

using namespace harness;
using namespace std::string_literals;

namespace {

constexpr unsigned replacements = 40, few_replacements = 5, gateways = 100;
constexpr std::uint64_t between = 5'000; // packets of each flood from one replacement to the next
constexpr double wanted_per_second = 100'000;

struct Tally {
    unsigned replaced = 0;
    std::uint64_t allowed = 0, arrived = 0, forbidden = 0, leaked = 0;
    double allowed_per_second = 0, forbidden_per_second = 0;
    std::uint64_t dropped() const { return allowed > arrived ? allowed - arrived : 0; }
};

// LOADER's policy from before the floods to their end; none: nothing is in force, and all arrives.
Tally measure(const SpeedWorld &world, const Loader *loader, unsigned count) {
    constexpr unsigned allowed_byte = 7, forbidden_byte = 200; // of the addresses below
    if (loader) run_ms(world, loader->load(world, policy_of(gateways, 1)));
    const std::uint64_t arrived = world.arrived(allowed_byte), leaked = world.arrived(forbidden_byte);
    Flood allowed(world, gateway4), forbidden(world, Ip::of("203.0.113.200"));
    Tally tally;
    for (; tally.replaced < count && allowed.sent() < Flood::most_packets; ++tally.replaced) {
        const auto further = [](const Flood &flood) {
            return std::min(flood.sent() + between, Flood::most_packets);
        };
        const std::uint64_t until = further(allowed), and_until = further(forbidden);
        if (loader) run_ms(world, loader->replace(world, policy_of(gateways, 1, 1 + tally.replaced)));
        must(eventually([&] { return allowed.sent() >= until && forbidden.sent() >= and_until; }),
             "the floods"s);
    }
    allowed.stop();
    forbidden.stop();
    tally.allowed = allowed.sent();
    tally.forbidden = forbidden.sent();
    tally.allowed_per_second = allowed.reached_per_second();
    tally.forbidden_per_second = forbidden.reached_per_second();
    tally.arrived = world.arrived(allowed_byte) - arrived;
    tally.leaked = world.arrived(forbidden_byte) - leaked;
    if (loader) run_ms(world, loader->unload(world));
    return tally;
}

void fill(const std::string &title, const Tally &tally, Sheet &sheet) {
    const auto put = [&](const char *column, double value) { sheet.put(title, column, {value, 0}); };
    put("replaced", tally.replaced);
    put("allowed packets", static_cast<double>(tally.allowed));
    put("allowed/s", std::round(tally.allowed_per_second));
    put("dropped", static_cast<double>(tally.dropped()));
    put("forbidden packets", static_cast<double>(tally.forbidden));
    put("forbidden/s", std::round(tally.forbidden_per_second));
    put("leaked", static_cast<double>(tally.leaked));
}

void judge(const Tally &tally, SpeedReport &report) {
    report.goals.push_back({"replace.flood",
                            "flood while replacing, packets/s of each kind",
                            {std::round(std::min(tally.allowed_per_second, tally.forbidden_per_second)), 0},
                            wanted_per_second,
                            true});
    report.goals.push_back({"replace.dropped",
                            "dropped while replacing, of what is allowed",
                            {static_cast<double>(tally.dropped()), 0},
                            0});
    report.goals.push_back(
        {"replace.leaked", "leaked while replacing", {static_cast<double>(tally.leaked), 0}, 0});
}

} // namespace

void measure_replace(const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "replace", .title = "Replacing a policy of 100 gateways under two floods"};
    const unsigned count = plan.brief ? few_replacements : replacements;
    Contest contest({unfiltered(false)});
    fill("no filter", measure(contest.world(0), nullptr, count), sheet);
    for (const Loader &loader : loaders()) {
        if (loader.name == "leakbpf-alone" || !installed(loader.title, loader.tools, sheet)) continue;
        const Tally tally = measure(contest.world(0), &loader, count);
        fill(loader.title, tally, sheet);
        if (loader.name == "leakbpf") judge(tally, report);
    }
    sheet.notes.push_back(
        fmt::format("Each flood is meant to be {:.0f} packets/s; those of the table were reached, from its "
                    "first packet to its last.",
                    Flood::per_second));
    report.sheets.push_back(std::move(sheet));
}

} // namespace lk::bench
