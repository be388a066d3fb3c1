// SPDX-License-Identifier: MIT
// Netlink messages read into values: no socket, no state. They are read attribute by attribute rather than as
// objects of libnl-route, because those know no nexthop objects (3.7) and refuse a device as a whole when one
// attribute of its kind is not as they expect: a device must not go unseen for that. Private to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "net/topology.h"

struct nlmsghdr;

namespace lk {

// Of RTM_NEWLINK; none if it is not a whole description of a device (bridge port and wireless events).
// Addresses, routes and access_point are left empty.
std::optional<Device> read_link(const nlmsghdr &message);
// Of RTM_DELLINK; none if the device itself is not gone (bridge port events).
std::optional<int> read_deleted_link(const nlmsghdr &message);

struct AddressMessage {
    int ifindex = 0;
    DeviceAddress address;
};
std::optional<AddressMessage> read_address(const nlmsghdr &message); // RTM_NEWADDR, RTM_DELADDR

struct Hop {
    int ifindex = 0;
    std::optional<Address> gateway; // none: the destination itself
};

struct RouteMessage {
    bool is_default = false;
    bool is_wide = false;         // a default route, half of one, or all of global IPv6 (2000::/3)
    std::uint32_t nexthop_id = 0; // to be resolved where there are no hops
    std::vector<Hop> hops;
};
// Of RTM_NEWROUTE, RTM_DELROUTE. False if the route leads nowhere (local, blackhole, throw, ...), is of the
// local table, a cached one, or of another family. INTO is reused from route to route.
bool read_route(const nlmsghdr &message, RouteMessage &into);

struct NexthopMessage {
    std::uint32_t id = 0;
    std::optional<Hop> hop;           // none for blackholes and groups
    std::vector<std::uint32_t> group; // ids
};
std::optional<NexthopMessage> read_nexthop(const nlmsghdr &message); // RTM_NEWNEXTHOP, RTM_DELNEXTHOP

// The device where something in clsact came, went or was replaced, or clsact itself went; 0: none of that.
int changed_clsact(const nlmsghdr &message);

} // namespace lk
