// SPDX-License-Identifier: MIT
// A cgroup's policy as the kernel's maps shall hold it. Nothing in it depends on devices: the LAN is what was
// named.
#pragma once

#include <vector>

#include "image/map_image.h"
#include "leakbpf/scope.h"
#include "policy/policy.h"

namespace lk {

struct ScopeImage {
    GatewaySet gateways;
    std::vector<lk_scope_prefix> lan; // at most LK_SCOPE_PREFIXES, for the record
    NetSet nets;                      // the LAN, if it has more prefixes than that: then lan is empty
    lk_policy policy{};               // gw_set is zero; it is the set of the nets too
};
ScopeImage build_scope(const Policy &policy);

} // namespace lk
