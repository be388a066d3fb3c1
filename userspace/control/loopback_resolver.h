// SPDX-License-Identifier: MIT
// Resolvers on loopback, which ask upstream by themselves and not as the process that asks them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "policy/policy.h"

namespace lk {

// The first nameserver of a resolv.conf, if it is on loopback.
std::optional<std::string> loopback_nameserver(const std::string &resolv_conf);

// A notice where POLICY has a resolver and the resolv.conf that the process FIRST sees (none: ours) names one
// on loopback.
std::optional<std::string> loopback_resolver(const Policy &policy, std::optional<pid_t> first);

} // namespace lk
