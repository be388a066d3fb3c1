// SPDX-License-Identifier: MIT
// Which device carries which. Only kinds whose packets certainly leave through the device below them count as
// stacked; any other relation of two devices (a veth and its peer, a vxlan and its underlay) counts as none.
// Private to this room.
#pragma once

#include <unordered_map>
#include <vector>

#include "net/topology.h"

namespace lk {

// vlan, macvlan, macvtap, ipvlan, ipvtap and macsec over a device of this namespace.
bool is_stacked_kind(const std::string &kind);
// bridge, bond, team and vrf: what they send leaves through their ports.
bool gathers_ports(const Device &device);
// Of these, bond and team send everything through any port; a bridge or vrf chooses the port by the
// destination.
bool all_ports_alike(const Device &device);

// Indexes into topology.devices. Lives no longer than the topology.
class Stacking {
  public:
    explicit Stacking(const Topology &topology);

    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    const Topology &topology() const { return topology_; }
    std::size_t index_of(int ifindex) const;
    std::size_t carrier(std::size_t device) const; // what a stacked device sits on, else none
    const std::vector<std::size_t> &
    ports(std::size_t device) const; // of a device that gathers ports, else empty
    std::vector<std::size_t>
    riders(std::size_t device) const; // what sits directly on it, its master included

  private:
    const Topology &topology_;
    std::unordered_map<std::size_t, std::vector<std::size_t>> ports_;
    std::unordered_map<std::size_t, std::vector<std::size_t>> stacked_;
};

// As of topology.h, for many devices of one topology.
std::vector<int> lowest(const Stacking &stacking, const std::vector<DeviceClass> &classes, int ifindex);
Reach reach(const Stacking &stacking, int lowest_ifindex);

} // namespace lk
