// SPDX-License-Identifier: MIT
// Users as a container's user namespace shows them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/policy.h"

namespace lk {

// MAP: text of /proc/PID/uid_map, lines "first-inside first-outside count". None: the uid is not in it.
std::optional<uid_t> uid_outside(std::string_view map, uid_t inside);

// The process that began first of those in the cgroup directory or below it: a container's init, in whose
// namespaces the others see the world unless they left them.
std::optional<pid_t> first_process(const std::string &cgroup_directory);

// The policy's VPN users, which the user namespace of FIRST names so, as the initial one has them. NOTICES:
// where there is no process, they are the host's. An error where a name stands for a number that only the
// host knows, or where a uid is mapped to nobody.
Result<void> translate_users(std::optional<pid_t> first, Policy &policy, std::vector<std::string> &notices);

} // namespace lk
