// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "control/plan.h"
#include "control/scopes.h"

namespace lk {

namespace {

void append(std::vector<std::string> &to, const std::vector<std::string> &from) {
    to.insert(to.end(), from.begin(), from.end());
}

// What is guarded now, by ifindex.
std::set<int> guarded_today(const AttachRequest &request, const Document &current, const Topology &topology) {
    std::set<int> devices;
    for (const Guarded &guarded : plan_scopes(current, topology).guarded)
        devices.insert(guarded.ifindex);
    for (const std::string &name : request.also)
        if (const Device *device = topology.find(name)) devices.insert(device->ifindex);
    return devices;
}

} // namespace

Result<Plan> plan_whole(const AttachRequest &request, const Document &current, const Topology &topology) {
    Plan plan;
    plan.document = *request.whole;
    Policy overruled;
    std::vector<std::string> names;
    for (const Scope &scope : plan.document.scopes) {
        if (Result<void> valid = validate(scope.policy); !valid) return valid.error();
        append(overruled.tunnels, scope.policy.tunnels);
        append(overruled.insides, scope.policy.insides);
        append(names, scope.uplinks);
    }
    const auto by_kind = classify(topology, {overruled.tunnels, overruled.insides, {}});
    const auto classes = classify(topology, {overruled.tunnels, overruled.insides, names});
    std::vector<std::string> notices;
    for (const std::string &name : names) {
        if (!topology.find(name))
            notices.push_back(
                fmt::format("there is no device {} now: it is guarded when it comes", quote(name)));
        else if (const auto carried = carriers(name, topology, by_kind, classes, overruled); !carried)
            return carried.error();
    }

    const ScopePlan wanted = plan_scopes(plan.document, topology);
    const std::size_t holder = host_scope(plan.document);
    for (const int ifindex : guarded_today(request, current, topology)) {
        const Device *device = topology.find(ifindex);
        const auto has = [&](const std::vector<std::string> &list) {
            return std::ranges::find(list, device->name) != list.end();
        };
        if (!device || holder == no_scope || has(overruled.tunnels) || has(overruled.insides)) continue;
        if (std::ranges::find(wanted.guarded, ifindex, &Guarded::ifindex) != wanted.guarded.end()) continue;
        plan.document.scopes[holder].uplinks.push_back(device->name);
        notices.push_back(
            fmt::format("{} is guarded and no scope names it: it stays guarded, by scope {}; leakbpf "
                        "detach sets it free",
                        device->name, holder + 1));
    }
    plan.built = build_image(plan.document, topology);
    plan.built.notices.insert(plan.built.notices.end(), notices.begin(), notices.end());
    return plan;
}

} // namespace lk
