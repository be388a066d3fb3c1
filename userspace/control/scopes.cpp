// SPDX-License-Identifier: MIT
#include "control/scopes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace lk {

ClassOverrides overrides_of(const Document &document) {
    ClassOverrides overrides;
    const auto append = [](std::vector<std::string> &to, const std::vector<std::string> &from) {
        to.insert(to.end(), from.begin(), from.end());
    };
    for (const Scope &scope : document.scopes) {
        append(overrides.tunnels, scope.policy.tunnels);
        append(overrides.insides, scope.policy.insides);
        append(overrides.uplinks, scope.uplinks);
    }
    return overrides;
}

ScopeView::ScopeView(const Document &document, const Topology &topology)
    : document_(document), topology_(topology), classes_(classify(topology, overrides_of(document))) {
    for (const Scope &scope : document.scopes) {
        std::set<int> devices;
        for (const std::string &name : scope.uplinks)
            devices.merge(lowest_of(name));
        named_.push_back(std::move(devices));
    }
}

std::set<int> ScopeView::lowest_of(const std::string &name) const {
    const Device *device = topology_.find(name);
    if (!device) return {};
    const std::vector<int> devices = lowest(topology_, classes_, device->ifindex);
    return {devices.begin(), devices.end()};
}

std::optional<std::size_t> ScopeView::naming_scope(int ifindex) const {
    for (std::size_t index = named_.size(); index-- > 0;)
        if (named_[index].contains(ifindex)) return index;
    return std::nullopt;
}

std::optional<std::size_t> ScopeView::taking_scope() const {
    for (std::size_t index = document_.scopes.size(); index-- > 0;)
        if (document_.scopes[index].takes_new) return index;
    return std::nullopt;
}

std::optional<std::size_t> ScopeView::scope_of(int ifindex) const {
    if (const auto naming = naming_scope(ifindex)) return naming;
    for (const Scope &scope : document_.scopes)
        if (std::ranges::find(scope.unguarded, ifindex) != scope.unguarded.end()) return std::nullopt;
    return taking_scope();
}

std::vector<int> ScopeView::all_uplinks() const {
    std::set<int> found;
    for (std::size_t index = 0; index < topology_.devices.size(); ++index) {
        if (classes_[index] != DeviceClass::uplink) continue;
        for (const int device : lowest(topology_, classes_, topology_.devices[index].ifindex))
            found.insert(device);
    }
    return {found.begin(), found.end()};
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

void drop_empty(Document &document) {
    std::erase_if(document.scopes, [](const Scope &scope) { return scope.uplinks.empty(); });
}

std::string device_name(const Topology &topology, int ifindex) {
    const Device *device = topology.find(ifindex);
    return device ? device->name : fmt::format("device {}", ifindex);
}

std::vector<std::string> device_names(const Topology &topology, const std::vector<int> &ifindexes) {
    std::vector<std::string> names;
    for (const int ifindex : ifindexes)
        names.push_back(device_name(topology, ifindex));
    return names;
}

std::string listed(const std::vector<std::string> &names) {
    return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

} // namespace lk
