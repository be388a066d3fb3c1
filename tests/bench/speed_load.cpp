// SPDX-License-Identifier: MIT
// How long the whole command takes that puts a policy into force: the first one, and another in its place.
#include <fmt/format.h>

#include <algorithm>

#include "bench/speed_commands.h"
#include "bench/speed_parts.h"

namespace lk::bench {

namespace {

constexpr unsigned sizes[] = {1, 10'000}, most_rounds = 10, few_rounds = 3;

struct Times {
    Series load, replace;
};

// One world for all: what is loaded is unloaded in the same turn.
Times turn(const SpeedWorld &world, const Loader &loader, unsigned size, unsigned round) {
    Times times;
    times.load.push_back(run_ms(world, loader.load(world, policy_of(size, 1))));
    if (size == 1 || loader.name != "bitmask") // which would take minutes
        times.replace.push_back(run_ms(world, loader.replace(world, policy_of(size, 1, 1 + round % 200))));
    run_ms(world, loader.unload(world));
    return times;
}

std::vector<Times> measure(const SpeedWorld &world, const std::vector<Loader> &all, unsigned size,
                           unsigned rounds) {
    std::vector<Times> found(all.size());
    take_turns(all.size(), rounds, [&](std::size_t which, unsigned round) {
        if (size > 1 && round > all[which].most_rounds) return;
        const Times times = turn(world, all[which], size, round);
        if (round == 0) return;
        found[which].load.insert(found[which].load.end(), times.load.begin(), times.load.end());
        found[which].replace.insert(found[which].replace.end(), times.replace.begin(), times.replace.end());
    });
    return found;
}

const Times *of(const std::vector<Loader> &all, const std::vector<Times> &found, const std::string &name) {
    const auto at = std::ranges::find(all, name, &Loader::name);
    return at == all.end() ? nullptr : &found[static_cast<std::size_t>(at - all.begin())];
}

void fill(const std::vector<Loader> &all, const std::vector<Times> &found, unsigned size, Sheet &sheet) {
    const Times *own = of(all, found, "leakbpf"), *nft = of(all, found, "nft"),
                *ipset = of(all, found, "ipset");
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (nft)
            sheet.put(all[i].title, fmt::format("load {}, of nft", size), ratio(found[i].load, nft->load));
        if (ipset && !found[i].replace.empty())
            sheet.put(all[i].title, fmt::format("replace {}, of ipset", size),
                      ratio(found[i].replace, ipset->replace));
    }
    sheet.notes.push_back(fmt::format("{} gateways: leakbpf loads in {:.1f} ms, replaces in {:.1f} ms.", size,
                                      middle(own->load).value, middle(own->replace).value));
}

void judge(const std::vector<Loader> &all, const std::vector<Times> &found, unsigned size,
           SpeedReport &report) {
    const Times &own = *of(all, found, "leakbpf");
    if (const Times *nft = of(all, found, "nft"))
        report.goals.push_back({fmt::format("load.{}", size),
                                fmt::format("loading {} gateways, of nft -f", size),
                                ratio(own.load, nft->load), 0.5});
    if (const Times *ipset = of(all, found, "ipset"))
        report.goals.push_back({fmt::format("replace.{}", size),
                                fmt::format("replacing {} gateways, of an ipset swap", size),
                                ratio(own.replace, ipset->replace), 1.0});
}

} // namespace

void measure_load(const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "load", .title = "Loading and replacing a policy: the whole command"};
    std::vector<Loader> all;
    for (Loader &loader : loaders())
        if (installed(loader.title, loader.tools, sheet)) all.push_back(std::move(loader));
    Contest contest({unfiltered(false)});
    for (const unsigned size : sizes) {
        const auto found = measure(contest.world(0), all, size,
                                   plan.brief ? few_rounds : std::min(plan.rounds, most_rounds));
        fill(all, found, size, sheet);
        judge(all, found, size, report);
    }
    report.sheets.push_back(std::move(sheet));
}

} // namespace lk::bench
