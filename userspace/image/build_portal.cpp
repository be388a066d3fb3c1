// SPDX-License-Identifier: MIT
#include "image/build_portal.h"

#include <algorithm>

#include "base/sort_unique.h"
#include "image/build_nets.h"

namespace lk {
namespace {

const Surroundings::Carved *carved_out(const Surroundings &around, const Address &address) {
    const auto has = [&](const Surroundings::Carved &carved) { return carved.prefix.contains(address); };
    const auto found = std::ranges::find_if(around.carved, has);
    return found == around.carved.end() ? nullptr : &*found;
}

bool contains(const std::vector<Prefix> &prefixes, const Address &address) {
    return std::ranges::any_of(prefixes, [&](const Prefix &prefix) { return prefix.contains(address); });
}

std::vector<Router> still_routers(const Surroundings &around, const Reach &reach) {
    std::vector<Router> routers;
    if (!around.document.portal) return routers;
    for (const Router &router : around.document.portal->routers)
        if (std::ranges::binary_search(reach.routers, router) && !carved_out(around, router.address))
            routers.push_back(router);
    return routers;
}

} // namespace

std::vector<PortalChoice> portal_choices(const Document &document, const Topology &topology) {
    const ScopePlan plan = plan_scopes(document, topology);
    const Surroundings around = surroundings_of(document, topology, plan);
    std::vector<PortalChoice> choices;
    for (const Guarded &guarded : plan.guarded)
        for (const Router &router : reach(around.stacking, guarded.ifindex).routers) {
            const std::vector<Prefix> &named = document.scopes[guarded.scope].policy.lan;
            const auto known = std::ranges::find(choices, router, &PortalChoice::router);
            PortalChoice &choice = known == choices.end() ? choices.emplace_back() : *known;
            choice.router = router;
            choice.lan = choice.lan || is_private(router.address) || contains(named, router.address);
            if (const auto *carved = carved_out(around, router.address)) choice.carved = *carved;
        }
    std::ranges::sort(choices, {}, &PortalChoice::router);
    return choices;
}

std::vector<Address> portal_routers(const Surroundings &around, const Reach &reach) {
    std::vector<Address> addresses;
    for (const Router &router : still_routers(around, reach))
        addresses.push_back(router.address);
    sort_unique(addresses);
    return addresses;
}

std::vector<Router> portal_routers(const Document &document, const Topology &topology) {
    std::vector<Router> routers;
    if (!document.portal) return routers;
    const ScopePlan plan = plan_scopes(document, topology);
    const Surroundings around = surroundings_of(document, topology, plan);
    for (const Guarded &guarded : plan.guarded)
        for (const Router &router : still_routers(around, reach(around.stacking, guarded.ifindex)))
            routers.push_back(router);
    sort_unique(routers);
    return routers;
}

} // namespace lk
