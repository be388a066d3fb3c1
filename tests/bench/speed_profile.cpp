// SPDX-License-Identifier: MIT
// Where the time goes: the kernel's own count and clock of each program, for what the other parts measure.
// The clock is read around each run, which the empty program shows.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include "base/fd.h"
#include "bench/dns_ask.h"
#include "bench/dns_world.h"
#include "bench/speed_parts.h"

namespace lk::bench {

namespace {

struct Runs {
    std::uint64_t count = 0, ns = 0;
};

// Programs of a leakbpf that guards this machine itself are not what is measured.
std::set<__u32> programs_now() {
    std::set<__u32> ids;
    for (__u32 id = 0; bpf_prog_get_next_id(id, &id) == 0;)
        ids.insert(id);
    return ids;
}

// By name, of all programs that are ours or the bench's, but the FOREIGN ones.
std::map<std::string, Runs> runs(const std::set<__u32> &foreign) {
    std::map<std::string, Runs> all;
    for (const __u32 id : programs_now()) {
        if (foreign.contains(id)) continue;
        const Fd program(bpf_prog_get_fd_by_id(id));
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) continue;
        const std::string name = info.name;
        if (!name.starts_with("lk_")) continue;
        all[name].count += info.run_cnt;
        all[name].ns += info.run_time_ns;
    }
    return all;
}

struct Step {
    Task task;
    const char *title;
    const char *once; // runs once for each, so that others are counted by it
};
constexpr Step steps[] = {{Task::gateway, "packet to the gateway", "lk_egress"},
                          {Task::lan, "packet to the LAN", "lk_egress"},
                          {Task::connect, "TCP connect", "lk_connect4"}};

struct Lookup {
    Way way;
    Route route;
    const char *title;
};
constexpr Lookup lookups[] = {{Way::leakbpf, Route::tunnel, "by the hook, tunnel"},
                              {Way::leakbpf, Route::uplink, "by the hook, uplink"},
                              {Way::translated, Route::tunnel, "at TC, tunnel"},
                              {Way::translated, Route::uplink, "at TC, uplink"}};

using Programs = std::map<std::string, Runs>;

// What ROUNDS of TURN make programs do; a first turn, which opens sockets and fills caches, does not count.
Programs run(const std::set<__u32> &foreign, unsigned rounds, const std::function<void()> &turn) {
    turn();
    const Programs before = runs(foreign);
    for (unsigned round = 0; round < rounds; ++round)
        turn();
    Programs ran = runs(foreign);
    for (auto &[name, now] : ran)
        if (const auto then = before.find(name); then != before.end()) {
            now.count -= then->second.count;
            now.ns -= then->second.ns;
        }
    ran.erase("lk_far_side");
    return ran;
}

// Programs that ran less than once in a hundred of TIMES are left out. Returns ns of each time, without what
// the clock takes of each run.
double fill(const Programs &ran, double times, const char *title, double clock_ns, Sheet &sheet) {
    double sum_ns = 0;
    for (const auto &[name, done] : ran) {
        const auto count = static_cast<double>(done.count), ns = static_cast<double>(done.ns);
        if (count < times / 100) continue;
        sheet.put(name, fmt::format("{}: runs", title), {count / times, 0});
        sheet.put(name, fmt::format("{}: ns a run", title), {ns / count, 0});
        sum_ns += (ns - count * clock_ns) / times;
    }
    return sum_ns;
}

double profile(SpeedWorld &world, const std::set<__u32> &foreign, const Step &step, const char *once,
               double clock_ns, const Plan &plan, Sheet &sheet) {
    const Programs ran = run(foreign, plan.rounds, [&] { world.run(step.task, plan.limits); });
    const auto found = ran.find(once);
    if (found == ran.end() || found->second.count == 0)
        throw std::runtime_error(fmt::format("{}: {} did not run", step.title, once));
    return fill(ran, static_cast<double>(found->second.count), step.title, clock_ns, sheet);
}

// As the part dns asks.
double profile(const Lookup &lookup, const std::set<__u32> &foreign, double clock_ns, unsigned rounds,
               Sheet &sheet) {
    const DnsWorld world(lookup.way, lookup.route);
    DnsLoss loss;
    const Programs ran = run(foreign, rounds, [&] {
        world.inside([&] { look_up_us(lookups_in_a_turn, lookup.way == Way::translated, loss); });
    });
    return fill(ran, static_cast<double>(rounds) * lookups_in_a_turn, lookup.title, clock_ns, sheet);
}

void note_sums(const std::vector<std::pair<std::string, double>> &sums, Sheet &sheet) {
    std::string text = "All programs together, without the clock:";
    for (const auto &[title, ns] : sums)
        text += fmt::format("{} {} {:.0f} ns", &title == &sums.front().first ? "" : ";", title, ns);
    sheet.notes.push_back(text + ".");
}

double measure_steps(const std::set<__u32> &foreign, const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "profile", .title = "What runs, and how long, by the kernel's own clock"};
    Contest contest({floor_program(), plain(policy_of(2, 1))});
    profile(contest.world(0), foreign, steps[0], "lk_floor", 0, plan, sheet);
    const double clock_ns = sheet.cells.at({"lk_floor", fmt::format("{}: ns a run", steps[0].title)}).value;
    std::vector<std::pair<std::string, double>> sums;
    for (const Step &step : steps)
        sums.emplace_back(step.title,
                          profile(contest.world(1), foreign, step, step.once, clock_ns, plan, sheet));
    sheet.notes.push_back(
        "*lk_floor* is the empty program: what it takes is the clock, read before and after. "
        "Not in these figures: what the kernel does to get to a program, which the table of "
        "packets shows for empty ones.");
    note_sums(sums, sheet);
    report.sheets.push_back(std::move(sheet));
    return clock_ns;
}

// One after the other: each has hooks of its own.
void measure_lookups(const std::set<__u32> &foreign, double clock_ns, const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "profile",
                .title = "What runs for a DNS query and its answer, by the kernel's own clock"};
    const OnFirstCpu one_cpu;
    std::vector<std::pair<std::string, double>> sums;
    for (const Lookup &lookup : lookups)
        sums.emplace_back(lookup.title, profile(lookup, foreign, clock_ns, plan.rounds, sheet));
    sheet.notes.push_back(
        "*By the hook*: the socket is connected to the resolver in the server's place. *At TC*: the socket "
        "is "
        "bound, so that the hooks only look at it, and its packets are rewritten, both ways. By the tunnel "
        "or "
        "the uplink leads the route to the server that is asked. What a query takes in all stands in the "
        "table "
        "of "
        "DNS.");
    note_sums(sums, sheet);
    report.sheets.push_back(std::move(sheet));
}

} // namespace

void measure_profile(const Plan &plan, SpeedReport &report) {
    const Fd statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!statistics) throw std::runtime_error("the kernel gives no statistics of programs");
    const std::set<__u32> foreign = programs_now();
    const double clock_ns = measure_steps(foreign, plan, report);
    measure_lookups(foreign, clock_ns, plan, report);
}

} // namespace lk::bench
