// SPDX-License-Identifier: MIT
// What the routes say of each device: the next hops on it, and whether it holds a default route. Routes
// themselves are not kept, so a full internet table costs a few entries; the price is that only a reading of
// all routes can tell that the last route by some next hop is gone. Private to this room.
#pragma once

#include <set>
#include <unordered_map>

#include "net/netlink_messages.h"

namespace lk {

// Nexthop objects, which routes may name instead of a device and a gateway.
class NexthopTable {
  public:
    void put(const NexthopMessage &message) { objects_[message.id] = message; }
    // The hops of the object or, for a group, of its members; nothing for what is not known.
    std::vector<Hop> resolve(std::uint32_t id) const;

  private:
    std::unordered_map<std::uint32_t, NexthopMessage> objects_;
};

class RouteBook {
  public:
    struct Entry {
        std::set<Address> next_hops;
        std::set<Address> routers; // those of default routes
        bool default_route = false;
        bool wide_route = false; // as Device::wide_route
        bool operator==(const Entry &) const = default;
    };

    // Takes in a route; the devices that it changes something for go to CHANGED.
    void add(const RouteMessage &route, std::set<int> &changed);
    // Whether the book would look different had this route never been.
    bool concerns(const RouteMessage &route) const;
    void forget(int ifindex) { entries_.erase(ifindex); }
    const Entry &of(int ifindex) const;
    // Devices whose entries differ.
    std::set<int> differences(const RouteBook &other) const;

    NexthopTable nexthops;

  private:
    std::vector<Hop> hops_of(const RouteMessage &route) const;

    std::unordered_map<int, Entry> entries_;
};

} // namespace lk
