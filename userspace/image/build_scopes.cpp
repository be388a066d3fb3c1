// SPDX-License-Identifier: MIT
#include "image/build_scopes.h"

#include <algorithm>
#include <map>

#include "net/stacking.h"

namespace lk {
namespace {

ClassOverrides overrides_of(const Document &document) {
    ClassOverrides overrides;
    const auto append = [](std::vector<std::string> &to, const std::vector<std::string> &from) {
        to.insert(to.end(), from.begin(), from.end());
    };
    for (const auto &scope : document.scopes) {
        append(overrides.uplinks, scope.uplinks);
        append(overrides.tunnels, scope.policy.tunnels);
        append(overrides.insides, scope.policy.insides);
    }
    return overrides;
}

} // namespace

std::size_t taking_scope(const Document &document) {
    for (std::size_t i = document.scopes.size(); i-- > 0;)
        if (document.scopes[i].takes_new) return i;
    return no_scope;
}

std::size_t host_scope(const Document &document) {
    const auto taking = taking_scope(document);
    return taking != no_scope || document.scopes.empty() ? taking : document.scopes.size() - 1;
}

ScopePlan plan_scopes(const Document &document, const Topology &topology) {
    ScopePlan plan;
    plan.classes = classify(topology, overrides_of(document));
    const Stacking stacking(topology);
    const auto carriers = [&](int ifindex) {
        auto found = lowest(stacking, plan.classes, ifindex);
        std::erase_if(found, [&](int carrier) {
            const auto *device = topology.find(carrier);
            if (!device) return true;
            const auto its = plan.classes[static_cast<std::size_t>(device - topology.devices.data())];
            return its == DeviceClass::loopback || its == DeviceClass::tunnel;
        });
        return found;
    };

    std::map<int, std::size_t> scope_of;
    for (std::size_t i = 0; i < document.scopes.size(); ++i)
        for (const auto &name : document.scopes[i].uplinks)
            if (const auto *device = topology.find(name))
                for (const int ifindex : carriers(device->ifindex))
                    scope_of[ifindex] = i;

    const auto taking = taking_scope(document);
    for (std::size_t i = 0; i < topology.devices.size(); ++i) {
        if (plan.classes[i] != DeviceClass::uplink) continue;
        for (const int ifindex : carriers(topology.devices[i].ifindex)) {
            if (scope_of.contains(ifindex)) continue;
            const bool left_alone =
                taking == no_scope || std::ranges::count(document.scopes[taking].unguarded, ifindex) > 0;
            if (left_alone)
                plan.unguarded.push_back(ifindex);
            else
                scope_of[ifindex] = taking;
        }
    }
    for (const auto &[ifindex, scope] : scope_of)
        plan.guarded.push_back({ifindex, scope});
    std::ranges::sort(plan.unguarded);
    plan.unguarded.erase(std::unique(plan.unguarded.begin(), plan.unguarded.end()), plan.unguarded.end());
    return plan;
}

} // namespace lk
