// SPDX-License-Identifier: MIT
// What an OCI runtime tells a createRuntime hook, and the policy that a container's annotations ask for.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/policy.h"

namespace lk {

struct OciContainer {
    std::string id;
    int pid = 0;                                    // of its first process, which has not begun yet
    std::map<std::string, std::string> annotations; // those that are texts
    std::optional<Policy> policy;                   // of its annotations; none: none of them is ours
};

// TEXT: the container's state, JSON (OCI runtime specification, State). Annotations org.leakbpf.OPTION stand
// for the options of attach --cgroup: lists are separated by commas, flags are "true" or "false". One that is
// not known is an error, so that no container runs with less than was meant.
Result<OciContainer> parse_oci_state(std::string_view text);

} // namespace lk
