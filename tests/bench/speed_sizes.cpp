// SPDX-License-Identifier: MIT
// What a policy's size adds to a packet: to the gateway and to the LAN that stand in the middle of the list.
#include <fmt/format.h>

#include "bench/speed_parts.h"

namespace lk::bench {

namespace {

struct Filter {
    Subject (*make)(const Policy &policy);
    unsigned most; // where one size more would take minutes to load
};

struct Dimension {
    Task task;
    const char *id, *things;
    Policy (*policy)(unsigned size);
    unsigned most, small, large; // small, large: what the goal compares
    double growth;
};

constexpr Filter filters[] = {{plain, 100'000}, {nft, 100'000}, {ipset, 100'000}, {bitmask, 1'000}};
constexpr std::size_t before_filters = 3; // no filter, its twin, the empty program

const Dimension dimensions[] = {{Task::gateway, "gateways", "gateways",
                                 [](unsigned size) { return policy_of(size, 1); }, 100'000, 1, 10'000, 1.1},
                                {Task::lan, "lans", "LAN prefixes",
                                 [](unsigned size) { return policy_of(1, size); }, 10'000, 10, 1'000, 1.25}};

struct Entry {
    Subject subject;
    unsigned size;
};

std::vector<Entry> entries(const Dimension &dimension, Sheet &sheet) {
    std::vector<Entry> all;
    for (const Filter &filter : filters)
        for (unsigned size = 1; size <= std::min(dimension.most, filter.most); size *= 10)
            if (auto kept = runnable({filter.make(dimension.policy(size))}, sheet); !kept.empty())
                all.push_back({std::move(kept.front()), size});
            else
                break;
    return all;
}

void fill(const Dimension &dimension, const Contest &contest, const std::vector<Entry> &all, Sheet &sheet,
          Plot &plot) {
    const Series &none = contest.costs(dimension.task, 0), &empty = contest.costs(dimension.task, 2);
    sheet.put(contest.title(1), "1", added_ratio(contest.costs(dimension.task, 1), empty, none));
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Estimate added = added_ratio(contest.costs(dimension.task, before_filters + i), empty, none);
        const std::string &title = all[i].subject.title;
        sheet.put(title, fmt::format("{}", all[i].size), added);
        if (plot.lines.empty() || plot.lines.back().title != title) plot.lines.push_back({title, {}});
        plot.lines.back().points.emplace_back(all[i].size, added.value);
    }
}

Estimate growth(const Dimension &dimension, const Contest &contest, const std::vector<Entry> &all) {
    const Series *small = nullptr, *large = nullptr;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].subject.name != "leakbpf") continue;
        if (all[i].size == dimension.small) small = &contest.costs(dimension.task, before_filters + i);
        if (all[i].size == dimension.large) large = &contest.costs(dimension.task, before_filters + i);
    }
    return small && large ? added_ratio(*large, *small, contest.costs(dimension.task, 0)) : unmeasured;
}

void measure(const Dimension &dimension, const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "sizes",
                .title = fmt::format("What a packet pays for the number of {}, of what an empty program adds",
                                     dimension.things)};
    Plot plot{fmt::format("speed-sizes-{}", dimension.id),
              fmt::format("Added to a packet, in empty tcx programs"), dimension.things};
    const std::vector<Entry> all = entries(dimension, sheet);
    std::vector<Subject> subjects{unfiltered(false), unfiltered(true), floor_program()};
    for (const Entry &entry : all)
        subjects.push_back(entry.subject);
    Contest contest(subjects);
    contest.measure({dimension.task}, plan.rounds, plan.limits);
    fill(dimension, contest, all, sheet, plot);
    report.goals.push_back(
        {fmt::format("{}.growth", dimension.id),
         fmt::format("added with {} {}, of what {} add", dimension.large, dimension.things, dimension.small),
         growth(dimension, contest, all), dimension.growth});
    report.sheets.push_back(std::move(sheet));
    report.plots.push_back(std::move(plot));
}

} // namespace

void measure_sizes(const Plan &plan, SpeedReport &report) {
    for (const Dimension &dimension : dimensions)
        measure(dimension, plan, report);
}

} // namespace lk::bench
