// SPDX-License-Identifier: MIT
// Connections that may be made, and what becomes of those and of datagrams that may not.
#include <fmt/format.h>

#include <algorithm>

#include "bench/speed_parts.h"

namespace lk::bench {

namespace {

constexpr std::size_t first_filter = 3; // before it: no filter, its twin, the empty program
// Slices of bulk differ much: those that the goal compares, and the twin, take more of them.
constexpr unsigned more_bulk = 3, most_more_bulk = 300;

void fill(const Contest &contest, std::size_t world, const Limits &limits, Sheet &sheet) {
    const std::string &row = contest.title(world);
    sheet.put(row, "TCP connect",
              ratio(contest.costs(Task::connect, world), contest.costs(Task::connect, 0)));
    sheet.put(row, "TCP bulk", ratio(contest.rates(Task::bulk, world), contest.rates(Task::bulk, 0)));
    if (world < first_filter) return;
    const Series &refused = contest.costs(Task::refused, world);
    const unsigned long waited = contest.failures(Task::refused, world);
    if (waited < refused.size() / 2)
        sheet.put(row, "refused/connect", ratio(refused, contest.costs(Task::connect, world)));
    if (waited)
        sheet.notes.push_back(fmt::format("{}: {} connections were not refused within {} ms.", row, waited,
                                          limits.patience_ms));
    sheet.put(row, "UDP blocked/allowed",
              ratio(contest.costs(Task::blocked, world), contest.costs(Task::gateway, world)));
    if (const auto failed = contest.failures(Task::connect, world))
        sheet.notes.push_back(fmt::format("{}: {} connections that may be made failed.", row, failed));
}

void judge(const Contest &contest, SpeedReport &report) {
    const std::size_t own = contest.at("leakbpf");
    const auto goal = [&](const char *id, const char *text, Estimate found, double limit,
                          bool at_least = false) {
        report.goals.push_back({id, text, found, limit, at_least});
    };
    goal("tcp.connect", "TCP connect to the gateway, of no filter",
         ratio(contest.costs(Task::connect, own), contest.costs(Task::connect, 0)), 1.03);
    goal("tcp.bulk", "TCP in bulk to the gateway, of no filter",
         ratio(contest.rates(Task::bulk, own), contest.rates(Task::bulk, 0)), 0.99, true);
    goal("tcp.refused", "time to refusal, of an allowed connect",
         ratio(contest.costs(Task::refused, own), contest.costs(Task::connect, own)), 0.8);
    goal("tcp.hangs", "blocked connections that were not told",
         {static_cast<double>(contest.failures(Task::refused, own)), 0}, 0);
    goal("udp.blocked", "CPU of a blocked UDP flood, of an allowed one",
         ratio(contest.costs(Task::blocked, own), contest.costs(Task::gateway, own)), 0.8);
    goal("udp.leaked", "of a blocked UDP flood, arrived", contest.arrived(Task::blocked, own), 0);
}

} // namespace

void measure_flows(const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "flows", .title = "Connections, and what is refused"};
    const Policy policy = policy_of(2, 1);
    Contest contest(runnable(everybody(policy, plan.brief), sheet));
    contest.measure({Task::connect, Task::refused, Task::bulk, Task::gateway, Task::blocked}, plan.rounds,
                    plan.limits);
    if (!plan.brief)
        contest.measure({Task::bulk}, std::min(plan.rounds * more_bulk, most_more_bulk), plan.limits,
                        {0, 1, contest.at("leakbpf")});
    for (std::size_t world = 0; world < contest.size(); ++world)
        fill(contest, world, plan.limits, sheet);
    const Series &none = contest.costs(Task::connect, 0);
    const auto added = [&](const char *name) {
        return rounded(difference(contest.costs(Task::connect, contest.at(name)), none), true);
    };
    sheet.notes.push_back(
        fmt::format("Without a filter a connection took {} ns; the empty program {}, leakbpf {}.",
                    rounded(middle(none)), added("empty"), added("leakbpf")));
    judge(contest, report);
    report.sheets.push_back(std::move(sheet));
}

} // namespace lk::bench
