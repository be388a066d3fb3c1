// SPDX-License-Identifier: MIT
#include <unordered_set>

#include "kernel/commit.h"

namespace lk {

namespace {

using Ids = std::unordered_set<std::uint32_t>;

struct InForce {
    Ids gateways, nets;
    Ids tables; // of gateways
};

Result<InForce> sets_in_force(const KernelMaps &maps) {
    InForce ids;
    const auto epoch = maps.epoch();
    if (epoch == 0) return ids;
    const auto note = [&](const lk_policy &policy, __u32 net_set) {
        ids.gateways.insert(policy.gw_set);
        ids.nets.insert(net_set);
        if (policy.gw_bits != 0) ids.tables.insert(policy.gw_table);
    };
    auto read = maps.devs.for_each([&](__u32 index, const lk_dev &device) {
        if (index / LK_DEV_SLOTS == epoch % 2 && device.epoch == epoch) note(device.policy, device.net_set);
    });
    if (!read) return read.error();
    lk_host host{};
    if (maps.hosts.lookup(epoch % 2, host) && host.epoch == epoch) note(host.policy, host.net_set);
    return ids;
}

// VISIT_KEPT sees the values of the rows that stay.
template <typename Key, typename Value, typename VisitKept>
Result<void> keep_only(const Map<Key, Value> &map, const Ids &kept, VisitKept visit_kept) {
    std::vector<Key> gone;
    auto read = map.for_each([&](const Key &key, const Value &value) {
        if (kept.contains(key.set))
            visit_kept(value);
        else
            gone.push_back(key);
    });
    if (!read) return read;
    return map.erase_all(gone);
}

} // namespace

Result<void> sweep(const KernelMaps &maps) {
    auto ids = sets_in_force(maps);
    if (!ids) return ids.error();
    Ids ports;
    const auto note_ports = [&](const lk_gw &gateway) { ports.insert(gateway.port_set); };
    for (std::uint8_t number = 0; number < LK_GW_TABLES; ++number)
        if (!ids->tables.contains(number))
            if (auto dropped = maps.gw.drop(number); !dropped) return dropped;
    auto read = maps.gw.for_each([&](std::uint8_t, const lk_gw_row &row) {
        if (ids->gateways.contains(row.key.set)) note_ports(row.gw);
    });
    if (!read) return read;
    if (auto swept = keep_only(maps.gw_net, ids->gateways, note_ports); !swept) return swept;
    if (auto swept = keep_only(maps.gw_port, ports, [](__u32) {}); !swept) return swept;
    if (auto swept = keep_only(maps.boots, ids->gateways, [](__u32) {}); !swept) return swept;
    if (auto swept = keep_only(maps.serves, ids->gateways, [](__u32) {}); !swept) return swept;
    return keep_only(maps.net, ids->nets, [](__u32) {});
}

} // namespace lk
