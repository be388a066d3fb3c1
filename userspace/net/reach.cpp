// SPDX-License-Identifier: MIT
#include <algorithm>

#include "base/sort_unique.h"
#include "net/stacking.h"
#include "net/topology.h"

namespace lk {

Reach reach(const Topology &topology, int lowest_ifindex) {
    return reach(Stacking(topology), lowest_ifindex);
}

Reach reach(const Stacking &stacking, int lowest_ifindex) {
    const Topology &topology = stacking.topology();
    Reach all;
    std::vector<std::size_t> waiting;
    std::vector<bool> seen(topology.devices.size());
    const auto visit = [&](std::size_t i) {
        if (i == Stacking::none || seen[i]) return;
        seen[i] = true;
        waiting.push_back(i);
    };
    visit(stacking.index_of(lowest_ifindex));
    while (!waiting.empty()) {
        const std::size_t i = waiting.back();
        waiting.pop_back();
        const Device &device = topology.devices[i];
        for (const DeviceAddress &address : device.addresses) {
            all.own.push_back(address.address);
            all.on_link.push_back(address.on_link());
        }
        all.next_hops.insert(all.next_hops.end(), device.next_hops.begin(), device.next_hops.end());
        for (const Address &router : device.routers)
            all.routers.push_back({device.ifindex, router});
        for (const auto above : stacking.riders(i))
            visit(above);
    }
    sort_unique(all.own);
    sort_unique(all.on_link);
    sort_unique(all.next_hops);
    sort_unique(all.routers);
    return all;
}

} // namespace lk
