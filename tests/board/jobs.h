// SPDX-License-Identifier: MIT
// Processes, each in a sandbox of its own, that tell what they saw.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace lk::board {

struct Outcome;
using Teller = std::function<void(std::size_t index, const Outcome &outcome)>;

struct Job {
    std::string name;
    std::function<void(const Teller &tell)> run; // in the sandbox
    Teller take;                                 // here, once the process has ended
};

// At most LIMIT at a time. Throws with the names of those that failed, and what they said; where no sandbox
// can be made, ends the program as Sandbox::skipped says.
void run_jobs(const std::vector<Job> &jobs, unsigned limit);

} // namespace lk::board
