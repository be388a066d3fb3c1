// SPDX-License-Identifier: MIT
// A policy as the kernel reads it, row sets aside.
#pragma once

#include "image/map_image.h"
#include "policy/policy.h"

namespace lk {

// gw_set is zero. GATEWAYS: the policy's rows, for LK_POLICY_GW_HOSTS and LK_POLICY_GW_NETS. Users and
// cgroups that validate() would refuse are left out: then nobody is that daemon.
lk_policy policy_record(const Policy &policy, const GatewaySet &gateways);

} // namespace lk
