// SPDX-License-Identifier: MIT
// A command under a policy of its own, from its first instruction on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernel/scope_state.h"
#include "policy/policy.h"

namespace lk {

struct LaunchRequest {
    std::vector<std::string> command; // looked up in PATH
    std::optional<std::string> unit;  // name of the cgroup; without it one that nobody has
    Policy policy;
};

struct Launched {
    int status = 0;                   // the command's; 128 + N after signal N
    std::optional<std::string> left;  // the cgroup's path, where processes of the command are still in it
    std::optional<std::string> stays; // why its policy could not be taken off
};

// A name for --unit: letters, digits and what units have.
Result<std::string> parse_unit_name(const std::string &word);

// Makes a cgroup below the caller's own, puts the policy on it, runs the command in it, hands signals on, and
// takes both away when the command has ended and nothing is left in it. TELL: notices, before the command
// begins.
Result<Launched> launch(const ScopePlace &place, const LaunchRequest &request,
                        const std::function<void(const std::vector<std::string> &)> &tell);

} // namespace lk
