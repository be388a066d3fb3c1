// SPDX-License-Identifier: MIT
// A policy's gateways as rows that need no second look: each holds what every wider prefix gives to it.
#pragma once

#include "image/map_image.h"
#include "policy/policy.h"

namespace lk {

// Rows for --nat64 included. Order and doubles in the policy do not matter. No gateways under lockdown,
// whatever is listed.
GatewaySet build_gateways(const Policy &policy);

} // namespace lk
