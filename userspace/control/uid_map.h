// SPDX-License-Identifier: MIT
// Users as a container's user namespace shows them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/policy.h"

namespace lk {

// MAP: text of /proc/PID/uid_map, lines "first-inside first-outside count". None: the uid is not in it.
std::optional<uid_t> uid_outside(std::string_view map, uid_t inside);

// The policy's VPN users, which the processes of the cgroup directory name as their user namespace shows
// them, as the initial one has them. An error where a name stands for a number that only the host knows,
// where a uid is mapped to nobody, or where the processes are in several user namespaces.
Result<void> translate_users(const std::string &cgroup_directory, Policy &policy);

} // namespace lk
