// SPDX-License-Identifier: MIT
// The options that make a policy, shared by attach and check: those of policy/settings.h, and where it holds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/control.h"
#include "policy/settings.h"

namespace CLI {
class App;
}

namespace lk {

// The words as they were typed.
struct PolicyOptions {
    std::vector<std::string> interfaces;
    bool all_uplinks = false, only = false;
    struct Given {
        std::vector<std::string> list;
        std::optional<std::string> word; // "" is a bad value, not a missing one
        bool flag = false;
    };
    std::vector<Given> given = std::vector<Given>(settings().size()); // in the order of the table

    bool any() const; // something was typed
};

// ERROR with the option's name before it, where it is not there yet.
Error named(const std::string &option, Error error);

// One setting as an option. GIVEN must live until the command line was parsed.
void add_setting(CLI::App &app, const Setting &setting, PolicyOptions::Given &given);
// OPTIONS must live until the command line was parsed.
void add_policy_options(CLI::App &app, PolicyOptions &options);

// Each value through its own parser; the first that is wrong is the error, and names its option.
Result<AttachRequest> to_request(const PolicyOptions &options);

} // namespace lk
