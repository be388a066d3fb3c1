// SPDX-License-Identifier: MIT
#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "bench/speed_parts.h"
#include "board/peer.h"

namespace lk::bench {

Contest::Contest(const std::vector<Subject> &subjects) {
    static unsigned number = 0;
    for (const Subject &subject : subjects)
        worlds_.push_back(std::make_unique<SpeedWorld>(subject, number++));
}

void Contest::measure(const std::vector<Task> &tasks, unsigned rounds, const Limits &limits) {
    for (const Task task : tasks)
        found_[task].assign(worlds_.size(), {});
    take_turns(worlds_.size(), rounds, [&](std::size_t which, unsigned round) {
        for (const Task task : tasks) {
            const Slice slice = worlds_[which]->run(task, limits);
            if (round == 0) continue;
            Found &found = found_[task][which];
            found.costs.push_back(slice.cost_ns);
            found.rates.push_back(slice.per_second);
            found.failures += slice.failures;
        }
    });
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
