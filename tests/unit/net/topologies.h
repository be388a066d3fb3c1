// SPDX-License-Identifier: MIT
// Hand-made topologies, written as one line per device.
#pragma once

#include <linux/if_arp.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/topology.h"

namespace lk::test {

// Starts as a piece of Ethernet hardware and is changed by chained calls.
struct Dev : Device {
    Dev(int index, std::string device_name, std::string device_kind = "") {
        ifindex = index;
        name = std::move(device_name);
        kind = std::move(device_kind);
        arphrd = ARPHRD_ETHER;
        up = true;
    }
    Dev &type(unsigned value) { return arphrd = value, *this; }
    Dev &lo() { return loopback = true, type(ARPHRD_LOOPBACK); }
    Dev &on(int index) { return lower = index, *this; }
    Dev &elsewhere(int index) { return lower = index, lower_elsewhere = true, *this; }
    Dev &port_of(int index) { return master = index, *this; }
    Dev &ap() { return access_point = true, *this; }
    Dev &route() { return default_route = true, *this; }
    Dev &addr(const char *text, unsigned length, const char *peer = nullptr) {
        DeviceAddress address{.address = Address::parse(text).value(), .prefix_length = length};
        if (peer) address.peer = Address::parse(peer).value();
        addresses.push_back(address);
        std::ranges::sort(addresses);
        return *this;
    }
    Dev &router(const char *text) {
        routers.push_back(Address::parse(text).value());
        std::ranges::sort(routers);
        return route();
    }
    Dev &hop(const char *text) { return next_hops.push_back(Address::parse(text).value()), *this; }
};

inline Topology topology(const std::vector<Dev> &devices) {
    Topology made;
    for (const Dev &device : devices)
        made.devices.push_back(device);
    std::ranges::sort(made.devices, {}, &Device::ifindex);
    return made;
}

} // namespace lk::test
