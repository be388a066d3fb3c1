// SPDX-License-Identifier: MIT
// Which Wi-Fi interfaces are access points, from nl80211. A machine without Wi-Fi has no such netlink family,
// and then no access points. Private to this room.
#pragma once

#include <optional>
#include <set>

#include "net/netlink_socket.h"

namespace lk {

class Wireless {
  public:
    static Result<Wireless> open();

    bool present() const { return family_ != 0; }
    int fd() const { return socket_.fd(); }
    // Looks for the family again: it comes with the first Wi-Fi driver. True if it has come.
    Result<bool> look_again();
    // Takes in what waits. True if interfaces were made, deleted or changed, or events were lost.
    Result<bool> take_events();
    // ifindexes of the interfaces of type AP and AP_VLAN.
    Result<std::set<int>> access_points();

  private:
    Wireless(NetlinkSocket socket, NetlinkSocket requests)
        : socket_(std::move(socket)), requests_(std::move(requests)) {}

    NetlinkSocket socket_; // events
    NetlinkSocket requests_;
    int family_ = 0;
};

} // namespace lk
