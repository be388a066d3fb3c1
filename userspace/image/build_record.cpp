// SPDX-License-Identifier: MIT
#include "image/build_record.h"

#include <arpa/inet.h>

namespace lk {
namespace {

std::uint32_t flags_of(const Policy &policy, const GatewaySet &gateways) {
    std::uint32_t flags = LK_POLICY_ACTIVE;
    const auto set = [&](bool on, lk_policy_flag flag) {
        if (on) flags |= flag;
    };
    set(policy.strict, LK_POLICY_STRICT);
    set(policy.no_lan, LK_POLICY_NO_LAN);
    set(policy.lan_names, LK_POLICY_LAN_NAMES);
    set(policy.no_multicast, LK_POLICY_NO_MULTICAST);
    set(policy.action == Action::drop, LK_POLICY_SILENT);
    set(policy.lock_sockets, LK_POLICY_LOCK_SOCKETS);
    set(!gateways.hosts.empty(), LK_POLICY_GW_HOSTS);
    set(!gateways.nets.empty(), LK_POLICY_GW_NETS);
    set(!gateways.services.empty(), LK_POLICY_SERVE);
    return flags;
}

void add_daemon(lk_policy &record, const Policy &policy) {
    for (const auto &user : policy.vpn_users)
        if (check_vpn_uid(user) && record.n_uids < LK_MAX_UIDS) record.uids[record.n_uids++] = user.uid;
    for (const auto &cgroup : policy.vpn_cgroups)
        if (cgroup.id != 0 && cgroup.level != 0 && record.n_cgroups < LK_MAX_CGROUPS)
            record.cgroups[record.n_cgroups++] = {cgroup.id, cgroup.level, 0};
    if (record.n_uids || record.n_cgroups) record.flags |= LK_POLICY_IDENTITY;
}

void add_resolvers(lk_policy &record, const Policy &policy) {
    for (const auto &resolver : policy.resolvers) {
        const bool v4 = resolver.address.is_v4();
        const std::uint32_t flag = v4 ? LK_POLICY_RESOLVER4 : LK_POLICY_RESOLVER6;
        if (record.flags & flag) continue; // the first of each family
        record.flags |= flag;
        (v4 ? record.resolver4 : record.resolver6) = resolver.address.abi();
        (v4 ? record.resolver4_port : record.resolver6_port) = htons(resolver.port);
    }
}

} // namespace

lk_policy policy_record(const Policy &policy, const GatewaySet &gateways) {
    lk_policy record{};
    record.flags = flags_of(policy, gateways);
    add_daemon(record, policy);
    add_resolvers(record, policy);
    if (policy.vpn_mark && policy.vpn_mark->value != 0) {
        record.flags |= LK_POLICY_FWMARK;
        record.fwmark = policy.vpn_mark->value;
        record.fwmark_mask = policy.vpn_mark->mask;
    }
    return record;
}

} // namespace lk
