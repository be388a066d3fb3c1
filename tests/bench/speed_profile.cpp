// SPDX-License-Identifier: MIT
// Where the time goes: the kernel's own count and clock of each program, for what the other parts measure.
// The clock is read around each run, which the empty program shows.
#include <bpf/bpf.h>
#include <fmt/format.h>

#include <map>
#include <set>
#include <stdexcept>

#include "base/fd.h"
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

// What WORLD's turns make programs do; those that ran less than once in a hundred are left out.
void profile(SpeedWorld &world, const std::set<__u32> &foreign, const Step &step, const char *once,
             const Plan &plan, Sheet &sheet) {
    world.run(step.task, plan.limits); // opens its socket
    const auto before = runs(foreign);
    for (unsigned round = 0; round < plan.rounds; ++round)
        world.run(step.task, plan.limits);
    const auto after = runs(foreign);
    const auto since = [&](const std::string &name) {
        const Runs now = after.at(name), then = before.contains(name) ? before.at(name) : Runs{};
        return Runs{now.count - then.count, now.ns - then.ns};
    };
    if (!after.contains(once) || since(once).count == 0)
        throw std::runtime_error(fmt::format("{}: {} did not run", step.title, once));
    const auto times = static_cast<double>(since(once).count);
    for (const auto &[name, unused] : after) {
        const auto [count, ns] = since(name);
        const double each = static_cast<double>(count) / times;
        if (each < 0.01 || name == "lk_far_side") continue;
        sheet.put(name, fmt::format("{}: runs", step.title), {each, 0});
        sheet.put(name, fmt::format("{}: ns a run", step.title),
                  {static_cast<double>(ns) / static_cast<double>(count), 0});
    }
}

} // namespace

void measure_profile(const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "profile", .title = "What runs, and how long, by the kernel's own clock"};
    const Fd statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!statistics) throw std::runtime_error("the kernel gives no statistics of programs");
    const std::set<__u32> foreign = programs_now();
    Contest contest({floor_program(), plain(policy_of(2, 1))});
    profile(contest.world(0), foreign, steps[0], "lk_floor", plan, sheet);
    for (const Step &step : steps)
        profile(contest.world(1), foreign, step, step.once, plan, sheet);
    sheet.notes.push_back(
        "*lk_floor* is the empty program: what it takes is the clock, read before and after. "
        "Not in these figures: what the kernel does to get to a program, which the table of "
        "packets shows for empty ones.");
    report.sheets.push_back(std::move(sheet));
}

} // namespace lk::bench
