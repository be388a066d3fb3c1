// SPDX-License-Identifier: MIT
// The scoreboard's section about other kernels, from what the command wrote as JSON in virtual machines.
#pragma once

#include <string>
#include <vector>

namespace lk::board {

// FILES: of runs with --json, one for each kernel. COMMAND: how to make the section again. Throws
// std::runtime_error where a file is not such a run.
std::string elsewhere(const std::vector<std::string> &files, const std::string &command);

} // namespace lk::board
