// SPDX-License-Identifier: MIT
// The options that make a policy, shared by attach and check.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/control.h"

namespace CLI {
class App;
}

namespace lk {

// The words as they were typed.
struct PolicyOptions {
    std::vector<std::string> interfaces, gateways, resolvers, bootstrap, vpn_users, vpn_cgroups, lan, nat64,
        tunnels, insides, sockets_for;
    std::optional<std::string> vpn_mark; // "" is a bad value, not a missing one
    std::string action = "refuse", hook = "auto";
    bool no_lan = false, lan_names = false, no_multicast = false, only = false, strict = false,
         lockdown = false, pppoe = false, lock_sockets = false;
};

// ERROR with the option's name before it, where it is not there yet.
Error named(const char *option, Error error);

// OPTIONS must live until the command line was parsed.
void add_policy_options(CLI::App &app, PolicyOptions &options);

// Each value through its own parser; the first that is wrong is the error, and names its option.
Result<AttachRequest> to_request(const PolicyOptions &options);

} // namespace lk
