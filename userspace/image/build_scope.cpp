// SPDX-License-Identifier: MIT
#include "image/build_scope.h"

#include "image/build_gateways.h"
#include "image/build_nets.h"
#include "image/build_record.h"

namespace lk {

ScopeImage build_scope(const Policy &policy) {
    ScopeImage image;
    image.gateways = build_gateways(policy);
    std::vector<NetEntry> entries;
    for (const auto &prefix : policy.lan)
        entries.push_back({prefix, LK_NET_LAN});
    image.nets = flatten_nets(std::move(entries));
    image.policy = policy_record(policy, image.gateways);
    image.policy.flags |= LK_POLICY_NO_MULTICAST; // nobody can name it for a cgroup
    return image;
}

} // namespace lk
