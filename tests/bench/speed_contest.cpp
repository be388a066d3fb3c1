// SPDX-License-Identifier: MIT
#include <algorithm>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

#include "bench/speed_parts.h"
#include "bench/speed_sender.h"
#include "board/peer.h"

namespace lk::bench {

Contest::Contest(const std::vector<Subject> &subjects) {
    static unsigned number = 0;
    for (const Subject &subject : subjects)
        worlds_.push_back(std::make_unique<SpeedWorld>(subject, number++));
}

void Contest::measure(const std::vector<Task> &tasks, unsigned rounds, const Limits &limits,
                      std::vector<std::size_t> which) {
    for (const Task task : tasks)
        found_[task].resize(worlds_.size());
    if (which.empty()) {
        which.resize(worlds_.size());
        std::iota(which.begin(), which.end(), 0);
    }
    take_turns(which.size(), rounds, [&](std::size_t turn, unsigned round) {
        for (const Task task : tasks) {
            SpeedWorld &world = *worlds_[which[turn]];
            Found &found = found_[task][which[turn]];
            const unsigned byte = last_byte(task);
            const std::uint64_t before = world.arrived(byte);
            const Slice slice = world.run(task, limits);
            found.sent += slice.sent;
            found.arrived += world.arrived(byte) - before;
            if (round == 0) continue;
            found.costs.push_back(slice.cost_ns);
            found.rates.push_back(slice.per_second);
            found.failures += slice.failures;
        }
    });
}

Estimate Contest::arrived(Task task, std::size_t world) const {
    const Found &found = found_.at(task).at(world);
    if (!found.sent) return unmeasured;
    return {static_cast<double>(found.arrived) / static_cast<double>(found.sent), 0};
}

std::size_t Contest::at(const std::string &name) const {
    const auto found =
        std::ranges::find(worlds_, name, [](const auto &world) { return world->subject().name; });
    if (found == worlds_.end()) throw std::runtime_error(fmt::format("no subject «{}»", name));
    return static_cast<std::size_t>(found - worlds_.begin());
}

bool installed(const std::string &title, const std::vector<std::string> &tools, Sheet &sheet) {
    const auto missing = std::ranges::find_if_not(tools, board::in_path);
    if (missing == tools.end()) return true;
    sheet.notes.push_back(fmt::format("Not measured: {} ({} is not installed).", title, *missing));
    return false;
}

std::vector<Subject> runnable(std::vector<Subject> subjects, Sheet &sheet) {
    std::erase_if(subjects,
                  [&](const Subject &subject) { return !installed(subject.title, subject.tools, sheet); });
    return subjects;
}

} // namespace lk::bench
