// SPDX-License-Identifier: MIT
// The parts of bench_speed. Each adds its tables, and leakbpf's goals, to the report.
#pragma once

#include "bench/speed_report.h"
#include "bench/speed_world.h"

namespace lk::bench {

struct Plan {
    unsigned rounds = 250;
    Limits limits;
    bool brief = false; // few subjects and sizes: does it work?
};

// Worlds that take turns, with what was measured of each.
class Contest {
  public:
    explicit Contest(const std::vector<Subject> &subjects);
    // All TASKS in each turn, one after the other. WHICH: of the worlds; empty: all. What was measured stays.
    void measure(const std::vector<Task> &tasks, unsigned rounds, const Limits &limits,
                 std::vector<std::size_t> which = {});

    std::size_t size() const { return worlds_.size(); }
    SpeedWorld &world(std::size_t number) { return *worlds_.at(number); }
    const Series &costs(Task task, std::size_t world) const { return found_.at(task).at(world).costs; }
    const Series &rates(Task task, std::size_t world) const { return found_.at(task).at(world).rates; }
    unsigned long failures(Task task, std::size_t world) const { return found_.at(task).at(world).failures; }
    // Of the datagrams that were sent, as the far side counts them.
    Estimate arrived(Task task, std::size_t world) const;
    std::size_t at(const std::string &name) const; // of the subject; throws where there is none
    const std::string &title(std::size_t world) const { return worlds_[world]->subject().title; }

  private:
    struct Found {
        Series costs, rates;
        unsigned long failures = 0;
        std::uint64_t sent = 0, arrived = 0;
    };
    std::vector<std::unique_ptr<SpeedWorld>> worlds_;
    std::map<Task, std::vector<Found>> found_;
};

// Whether TOOLS are there; if not, SHEET says what was not measured.
bool installed(const std::string &title, const std::vector<std::string> &tools, Sheet &sheet);
// Those whose programs are installed.
std::vector<Subject> runnable(std::vector<Subject> subjects, Sheet &sheet);

void measure_packets(const Plan &plan, SpeedReport &report);
void measure_flows(const Plan &plan, SpeedReport &report);
void measure_dns(const Plan &plan, SpeedReport &report);
void measure_sizes(const Plan &plan, SpeedReport &report);
void measure_load(const Plan &plan, SpeedReport &report);
void measure_replace(const Plan &plan, SpeedReport &report);
void measure_profile(const Plan &plan, SpeedReport &report);

} // namespace lk::bench
