// SPDX-License-Identifier: MIT
#include "net/route_book.h"

#include <algorithm>

namespace lk {

std::vector<Hop> NexthopTable::resolve(std::uint32_t id) const {
    std::vector<Hop> hops;
    const auto add = [&](std::uint32_t one) {
        const auto at = objects_.find(one);
        if (at != objects_.end() && at->second.hop) hops.push_back(*at->second.hop);
    };
    const auto at = objects_.find(id);
    if (at == objects_.end()) return hops;
    add(id);
    for (const auto member : at->second.group)
        add(member); // a group holds no groups
    return hops;
}

std::vector<Hop> RouteBook::hops_of(const RouteMessage &route) const {
    return route.hops.empty() && route.nexthop_id ? nexthops.resolve(route.nexthop_id) : route.hops;
}

void RouteBook::add(const RouteMessage &route, std::set<int> &changed) {
    for (const Hop &hop : hops_of(route)) {
        if (!hop.gateway && !route.is_wide) continue;
        Entry &entry = entries_[hop.ifindex];
        if (route.is_default && !entry.default_route) {
            entry.default_route = true;
            changed.insert(hop.ifindex);
        }
        if (route.is_wide && !entry.wide_route) {
            entry.wide_route = true;
            changed.insert(hop.ifindex);
        }
        if (hop.gateway && entry.next_hops.insert(*hop.gateway).second) changed.insert(hop.ifindex);
        if (hop.gateway && route.is_default && entry.routers.insert(*hop.gateway).second)
            changed.insert(hop.ifindex);
    }
}

bool RouteBook::concerns(const RouteMessage &route) const {
    const auto hops = hops_of(route);
    if (hops.empty()) return route.nexthop_id != 0; // by an object that is gone: it may have been anything
    return std::ranges::any_of(hops, [&](const Hop &hop) {
        const Entry &entry = of(hop.ifindex);
        return (route.is_default && entry.default_route) || (route.is_wide && entry.wide_route) ||
               (hop.gateway && entry.next_hops.contains(*hop.gateway));
    });
}

const RouteBook::Entry &RouteBook::of(int ifindex) const {
    static const Entry nothing;
    const auto at = entries_.find(ifindex);
    return at != entries_.end() ? at->second : nothing;
}

std::set<int> RouteBook::differences(const RouteBook &other) const {
    std::set<int> different;
    for (const auto &[ifindex, entry] : entries_)
        if (entry != other.of(ifindex)) different.insert(ifindex);
    for (const auto &[ifindex, entry] : other.entries_)
        if (entry != of(ifindex)) different.insert(ifindex);
    return different;
}

} // namespace lk
