// SPDX-License-Identifier: MIT
// Finds VPN daemons that --vpn-user does not catch: a socket belongs for ever to the user that made it, so a
// daemon that root starts and that drops to another user later sends as uid 0.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.h"

namespace lk {

// One sentence per process of this network namespace that runs as one of the policy's VPN users (or is called
// openvpn) and holds an internet socket made by uid 0, unless a cgroup of the policy holds the process.
// PROC: /proc, or another tree of that shape.
std::vector<std::string> root_sockets(const Policy &policy, const std::string &proc = "/proc");

} // namespace lk
