// SPDX-License-Identifier: MIT
// A cgroup's policy as the kernel's maps shall hold it. Nothing in it depends on devices: the LAN is what was
// named.
#pragma once

#include "image/map_image.h"
#include "policy/policy.h"

namespace lk {

struct ScopeImage {
    GatewaySet gateways;
    NetSet nets;
    lk_policy policy{}; // gw_set is zero; it is the set of the nets too
};
ScopeImage build_scope(const Policy &policy);

} // namespace lk
