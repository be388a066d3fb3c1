// SPDX-License-Identifier: MIT
#include "net/stacking.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lk {

namespace {

template <std::size_t n>
bool among(const std::array<std::string_view, n> &kinds, const std::string &kind) {
    return std::ranges::find(kinds, kind) != kinds.end();
}

} // namespace

bool is_stacked_kind(const std::string &kind) {
    static constexpr std::array<std::string_view, 6> kinds{"vlan",   "macvlan", "macvtap",
                                                           "ipvlan", "ipvtap",  "macsec"};
    return among(kinds, kind);
}

bool gathers_ports(const Device &device) {
    static constexpr std::array<std::string_view, 4> kinds{"bridge", "bond", "team", "vrf"};
    return among(kinds, device.kind);
}

bool all_ports_alike(const Device &device) {
    return device.kind == "bond" || device.kind == "team";
}

Stacking::Stacking(const Topology &topology) : topology_(topology) {
    for (std::size_t i = 0; i < topology.devices.size(); ++i) {
        const Device &device = topology.devices[i];
        if (const auto below = carrier(i); below != none) stacked_[below].push_back(i);
        if (const auto master = index_of(device.master);
            master != none && gathers_ports(topology.devices[master]))
            ports_[master].push_back(i);
    }
}

std::size_t Stacking::index_of(int ifindex) const {
    const Device *device = ifindex ? topology_.find(ifindex) : nullptr;
    return device ? static_cast<std::size_t>(device - topology_.devices.data()) : none;
}

std::size_t Stacking::carrier(std::size_t device) const {
    const Device &above = topology_.devices[device];
    if (above.lower_elsewhere || !is_stacked_kind(above.kind)) return none;
    return index_of(above.lower);
}

const std::vector<std::size_t> &Stacking::ports(std::size_t device) const {
    static const std::vector<std::size_t> empty;
    const auto at = ports_.find(device);
    return at != ports_.end() ? at->second : empty;
}

std::vector<std::size_t> Stacking::riders(std::size_t device) const {
    std::vector<std::size_t> found;
    if (const auto at = stacked_.find(device); at != stacked_.end()) found = at->second;
    if (const auto master = index_of(topology_.devices[device].master);
        master != none && gathers_ports(topology_.devices[master]))
        found.push_back(master);
    return found;
}

} // namespace lk
