// SPDX-License-Identifier: MIT
// A host with an uplink eth0 and, at times, a second one eth1 with a better default route; the far side of
// both, where nobody answers; and a namespace for devices to be moved to. All commands are `ip`'s.
#pragma once

#include <string>

#include "harness/netns.h"

namespace lk::chaos {

class World {
  public:
    static constexpr int uplinks = 2;

    World();
    const harness::Netns &host() const { return host_; }
    const harness::Netns &far() const { return far_; }
    const harness::Netns &elsewhere() const { return elsewhere_; }

    static std::string name(int uplink) { return uplink == 0 ? "eth0" : "eth1"; }
    // Makes the device and its far end and configures it, as fast as one process can.
    void plug(int uplink);
    void unplug(int uplink);
    // Addresses, neighbours and routes of UPLINK, which is called DEVICE now.
    void configure(int uplink, const std::string &device);

    // On whose wire a frame arrived, by its first bytes: the far end's MAC address.
    static std::uint16_t uplink_of_far_mac(const unsigned char *mac);

  private:
    harness::Netns host_, far_, elsewhere_;
    static std::string settings(int uplink, const std::string &device);
};

} // namespace lk::chaos
