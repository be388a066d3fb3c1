// SPDX-License-Identifier: MIT
// Datagrams that may leave, one by one through a connected socket: to the gateway, and to the LAN.
#include <fmt/format.h>

#include "bench/speed_parts.h"

namespace lk::bench {

namespace {

struct Where {
    Task task;
    const char *id, *title;
    double cpu, over_empty, over_bitmask; // at most
};

constexpr Where places[] = {{Task::gateway, "gateway", "gateway", 1.06, 2.5, 0.13},
                            {Task::lan, "lan", "LAN", 1.07, 3.0, 0.20}};

void judge(const Contest &contest, const Where &where, SpeedReport &report) {
    const auto costs = [&](const char *name) -> const Series & {
        return contest.costs(where.task, contest.at(name));
    };
    const Series &own = costs("leakbpf"), &none = costs("none");
    const auto goal = [&](const char *id, const std::string &text, Estimate found, double limit) {
        report.goals.push_back({fmt::format("{}.{}", where.id, id), text, found, limit});
    };
    goal("cpu", fmt::format("CPU for each packet to the {}, of no filter", where.title), ratio(own, none),
         where.cpu);
    report.goals.push_back({fmt::format("{}.arrived", where.id),
                            fmt::format("of those to the {}, arrived", where.title),
                            contest.arrived(where.task, contest.at("leakbpf")), 0.99, true});
    goal("over_empty", fmt::format("added to the {}, of an empty program", where.title),
         added_ratio(own, costs("empty"), none), where.over_empty);
    goal("over_bitmask", fmt::format("added to the {}, of Bitmask's rules", where.title),
         added_ratio(own, costs("bitmask"), none), where.over_bitmask);
}

// ns of a packet by subject TO, above subject BASE.
Estimate added(const Contest &contest, const Where &where, const char *to, const char *base) {
    return difference(contest.costs(where.task, contest.at(to)), contest.costs(where.task, contest.at(base)));
}

void fill(const Contest &contest, const Where &where, Sheet &sheet) {
    const Series &none = contest.costs(where.task, 0),
                 &empty = contest.costs(where.task, contest.at("empty"));
    const auto column = [&](const char *what) { return fmt::format("{}: {}", where.title, what); };
    for (std::size_t world = 0; world < contest.size(); ++world) {
        const Series &costs = contest.costs(where.task, world);
        const std::string &row = contest.title(world);
        sheet.put(row, column("CPU"), ratio(costs, none));
        sheet.put(row, column("packets/s"),
                  ratio(contest.rates(where.task, world), contest.rates(where.task, 0)));
        if (contest.at("empty") != world && world > 1)
            sheet.put(row, column("added/empty"), added_ratio(costs, empty, none));
        if (contest.failures(where.task, world))
            sheet.notes.push_back(fmt::format("{}: {} sends to the {} failed.", row,
                                              contest.failures(where.task, world), where.title));
    }
    sheet.notes.push_back(
        fmt::format("Without a filter a packet to the {} cost {} ns; the empty program {}, leakbpf {}, "
                    "Bitmask {}.",
                    where.title, rounded(middle(none)), rounded(added(contest, where, "empty", "none"), true),
                    rounded(added(contest, where, "leakbpf", "none"), true),
                    rounded(added(contest, where, "bitmask", "none"), true)));
}

// What becomes of leakbpf's time: the two places in the kernel, and what its programs do there.
void divide(const Contest &contest, const Where &where, Sheet &sheet) {
    const Estimate gate = added(contest, where, "empty-both", "empty"),
                   guards = added(contest, where, "leakbpf", "leakbpf-alone");
    sheet.notes.push_back(fmt::format("Of what leakbpf adds to a packet to the {}, the kernel takes {} ns to "
                                      "get to an empty tcx program, and "
                                      "{} ns to get to an empty netfilter program, where the second gate "
                                      "stands. The verdict at tcx takes {} "
                                      "ns, and the second gate's own program {} ns.",
                                      where.title, rounded(added(contest, where, "empty", "none")),
                                      rounded(gate), rounded(added(contest, where, "leakbpf-alone", "empty")),
                                      rounded(minus(guards, gate))));
}

} // namespace

void measure_packets(const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "packets", .title = "Packets that may leave"};
    const Policy policy = policy_of(2, 1);
    std::vector<Subject> subjects = everybody(policy, plan.brief);
    if (!plan.brief) subjects.push_back(both_floors());
    Contest contest(runnable(subjects, sheet));
    contest.measure({Task::gateway, Task::lan}, plan.rounds, plan.limits);
    for (const Where &where : places) {
        fill(contest, where, sheet);
        if (!plan.brief) divide(contest, where, sheet);
        judge(contest, where, report);
    }
    report.sheets.push_back(std::move(sheet));
}

} // namespace lk::bench
