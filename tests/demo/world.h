// SPDX-License-Identifier: MIT
// The little internet of the demo, in network namespaces lk-demo-*: a protected host with a VPN, a container
// behind it, a neighbour on its LAN, the provider that records every frame of the LAN's wire, and the VPN's
// gateway.
//
//   box eth0 --- box0 host eth0 --- h0 isp br-lan n0 --- eth0 neighbour
//                     host tun0 ~~~ tun0 gateway eth0 --- g0 isp
//
// The web (203.0.113.0/24, 2001:db8:f::/48) answers in two places: at the provider, for what comes in the
// clear, and at the gateway, for what comes out of the tunnel. So a page that the provider's wire shows did
// leave in the clear.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/capture.h"
#include "harness/netns.h"
#include "harness/process.h"
#include "harness/sender.h"

namespace lk::demo {

class World {
  public:
    World();

    const harness::Netns &host() const { return host_; }
    const harness::Netns &box() const { return box_; }
    harness::Capture &wire() { return *wire_; } // of the provider's side

    void tunnel_up();   // IPv4 only, with the default route, as many VPNs do it
    void tunnel_down(); // tun0 and its route are gone

  private:
    harness::Netns isp_, host_, box_, neighbour_, gateway_;
    std::unique_ptr<harness::Capture> wire_;
    std::vector<std::unique_ptr<harness::Helper>> servers_;
    std::unique_ptr<harness::Helper> tunnel_far_, tunnel_near_;
};

} // namespace lk::demo
