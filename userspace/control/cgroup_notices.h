// SPDX-License-Identifier: MIT
// What people should know of a cgroup's processes when it has got its policy. Made when no lock is held: the
// processes choose what they show.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.h"

namespace lk {

// A notice for what nothing of CAPABILITIES, the hexadecimal set of /proc/PID/status, keeps it from. LINK:
// its link is judged.
std::string frames_notice(const std::string &capabilities, bool link);

// PATH: the cgroup's, below ROOT. None where nothing runs in it.
std::vector<std::string> process_notices(const std::string &root, const std::string &path,
                                         const Policy &policy, bool link);

} // namespace lk
