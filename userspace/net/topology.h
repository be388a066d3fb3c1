// SPDX-License-Identifier: MIT
// What the machine's network looks like, as one value read from netlink. Knows nothing of BPF.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/address.h"
#include "policy/router.h"

namespace lk {

struct DeviceAddress {
    Address address;
    unsigned prefix_length = 0; // of its own family; of the peer's prefix on point-to-point devices
    bool tentative = false;
    std::optional<Address> peer =
        std::nullopt; // point-to-point: the other end, whose prefix is the on-link one
    Prefix on_link() const;
    auto operator<=>(const DeviceAddress &) const = default;
};

struct Device {
    int ifindex = 0;
    std::string name;
    std::string kind;    // IFLA_INFO_KIND ("veth", "wireguard", ...); empty for hardware
    unsigned arphrd = 0; // ARPHRD_*
    bool loopback = false;
    bool up = false;
    unsigned mtu = 0;          // bytes of an IP packet
    bool access_point = false; // an nl80211 interface of type AP or AP_VLAN
    int master = 0;            // ifindex of the bridge, bond, vrf or team it is a port of; 0: none
    int lower = 0;             // ifindex of the device it is stacked on, in this network namespace; 0: none
    bool lower_elsewhere = false;         // it is stacked on a device of another network namespace
    std::vector<DeviceAddress> addresses; // sorted
    std::vector<Address> next_hops;       // of routes of any table over this device, sorted, unique
    std::vector<Address> routers;         // those of default routes, sorted, unique
    bool default_route = false; // of either family, in any table (throw, blackhole and the like aside)
    bool wide_route = false;    // that, half of one (as OpenVPN has it: 0/1 and 128/1), or 2000::/3

    bool l3() const;       // packets at its TC hook begin with the IP header
    bool ethernet() const; // ... with an Ethernet header. Neither (InfiniBand, 802.15.4, monitor mode, ...):
                           // its frames cannot be read, so all of them must be denied
    bool operator==(const Device &) const = default;
};

struct Topology {
    std::vector<Device> devices; // sorted by ifindex
    const Device *find(int ifindex) const;
    const Device *find(const std::string &name) const;
    bool operator==(const Topology &) const = default;
};

// Reads links, addresses and routes of the calling thread's network namespace.
Result<Topology> read_topology();

enum class DeviceClass { loopback, uplink, tunnel, inside };

// Names that overrule the class by kind (Policy::tunnels, Policy::insides, Scope::uplinks).
struct ClassOverrides {
    std::vector<std::string> tunnels, insides, uplinks;
};

// The class of each device, in the order of topology.devices. A stacked device has the class of what carries
// it; a bridge is an uplink when a port is one (a port without a kind is hardware), inside otherwise; veth
// and tap are inside unless named or they hold a default route; what is not known is an uplink.
std::vector<DeviceClass> classify(const Topology &topology, const ClassOverrides &overrides);

// The devices on which the filter must sit for this uplink to be guarded: itself, or for a stacked device,
// bridge or bond the lowest devices that carry it (which are not loopback, tunnel or, for a bridge's ports,
// inside).
std::vector<int> lowest(const Topology &topology, const std::vector<DeviceClass> &classes, int ifindex);

// An uplink's own addresses, on-link prefixes and next hops, those of every device stacked on it included.
// The filter sees addresses only: what has the same link-local one on two VLANs of an uplink is one to it.
struct Reach {
    std::vector<Address> own;
    std::vector<Prefix> on_link;
    std::vector<Address> next_hops;
    std::vector<Router> routers;
};
Reach reach(const Topology &topology, int lowest_ifindex);

} // namespace lk
