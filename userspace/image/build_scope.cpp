// SPDX-License-Identifier: MIT
#include "image/build_scope.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "image/build_gateways.h"
#include "image/build_nets.h"
#include "image/build_record.h"

namespace lk {

namespace {

lk_scope_prefix prefix_of(const NetRow &row) {
    std::array<std::uint8_t, 16> ones{};
    ones.fill(0xff);
    const auto mask = Prefix::of(Address::from_v6(ones.data()), row.prefix.mapped_length());
    return {row.prefix.address.abi(), mask.address.abi()};
}

} // namespace

ScopeImage build_scope(const Policy &policy) {
    ScopeImage image;
    image.gateways = build_gateways(policy);
    std::vector<NetEntry> entries;
    for (const auto &prefix : policy.lan)
        entries.push_back({prefix, LK_NET_LAN});
    image.nets = flatten_nets(std::move(entries));
    if (image.nets.size() <= LK_SCOPE_PREFIXES) {
        std::ranges::transform(image.nets, std::back_inserter(image.lan), prefix_of);
        image.nets.clear();
    }
    image.policy = policy_record(policy, image.gateways);
    image.policy.flags |= LK_POLICY_NO_MULTICAST; // nobody can name it for a cgroup
    return image;
}

} // namespace lk
