// SPDX-License-Identifier: MIT
#include "control/scopes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace lk {

ScopeView::ScopeView(const Document &document, const Topology &topology)
    : topology_(topology), plan_(plan_scopes(document, topology)) {
    for (const Scope &scope : document.scopes)
        for (const std::string &name : scope.uplinks)
            named_.merge(lowest_of(name));
}

std::set<int> ScopeView::lowest_of(const std::string &name) const {
    const Device *device = topology_.find(name);
    if (!device) return {};
    const std::vector<int> devices = lowest(topology_, plan_.classes, device->ifindex);
    return {devices.begin(), devices.end()};
}

std::optional<std::size_t> ScopeView::scope_of(int ifindex) const {
    for (const Guarded &guarded : plan_.guarded)
        if (guarded.ifindex == ifindex) return guarded.scope;
    return std::nullopt;
}

bool release(Scope &scope, const ScopeView &view, const Topology &topology,
             const std::set<std::string> &names, const std::set<int> &lowest) {
    std::vector<std::string> kept;
    bool changed = false;
    const auto keep = [&kept](const std::string &name) {
        if (std::ranges::find(kept, name) == kept.end()) kept.push_back(name);
    };
    for (const std::string &name : scope.uplinks) {
        const std::set<int> carried = view.lowest_of(name);
        const bool touched =
            std::ranges::any_of(carried, [&lowest](int device) { return lowest.contains(device); });
        if (!names.contains(name) && !touched) {
            keep(name);
            continue;
        }
        changed = true;
        for (const int device : carried)
            if (!lowest.contains(device)) keep(device_name(topology, device));
    }
    scope.uplinks = std::move(kept);
    return changed;
}

std::size_t scope_of_all(const Document &document) {
    const std::size_t taking = taking_scope(document);
    return taking != no_scope && document.scopes[taking].uplinks.empty() ? taking : no_scope;
}

void drop_empty(Document &document, std::size_t keep) {
    for (std::size_t index = document.scopes.size(); index-- > 0;)
        if (index != keep && document.scopes[index].uplinks.empty())
            document.scopes.erase(document.scopes.begin() + static_cast<std::ptrdiff_t>(index));
}

std::vector<std::string> socket_makers(const Document &document) {
    std::set<std::string> names(link_programs().begin(), link_programs().end());
    for (const Scope &scope : document.scopes)
        names.insert(scope.policy.sockets_for.begin(), scope.policy.sockets_for.end());
    return {names.begin(), names.end()};
}

std::string device_name(const Topology &topology, int ifindex) {
    const Device *device = topology.find(ifindex);
    return device ? device->name : fmt::format("device {}", ifindex);
}

std::vector<std::string> device_names(const Topology &topology, const std::vector<int> &ifindexes) {
    std::vector<std::string> names;
    names.reserve(ifindexes.size());
    for (const int ifindex : ifindexes)
        names.push_back(device_name(topology, ifindex));
    return names;
}

std::string listed(const std::vector<std::string> &names) {
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

} // namespace lk
