// SPDX-License-Identifier: MIT
// The devices and addresses of a Topology: read as a whole, or changed by one event at a time. Private to
// this room.
#pragma once

#include "net/netlink_socket.h"
#include "net/topology.h"

namespace lk {

// Devices with their addresses, sorted; routes and access points are not filled in. Asks again while the
// kernel says that its answer was inconsistent.
Result<std::vector<Device>> read_devices(NetlinkSocket &socket);

// Asks again for those that are stacked on a device of another namespace: when it comes to this one, the
// kernel tells nothing of them. True if any has changed.
Result<bool> find_returned_carriers(NetlinkSocket &socket, std::vector<Device> &devices);

// What a link or address event did to DEVICES.
struct DeviceEvent {
    bool changed = false;       // anything
    bool routes_may_go = false; // the kernel may have dropped routes, of which it tells nothing
    int appeared = 0;           // ifindex of a device that was not there before
    int disappeared = 0;        // ifindex of a device that is gone
    int switched = 0;           // ifindex of a device that went up or down
};
DeviceEvent apply_device_event(std::vector<Device> &devices, const nlmsghdr &message);

} // namespace lk
