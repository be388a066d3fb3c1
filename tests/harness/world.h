// SPDX-License-Identifier: MIT
// A small internet: a protected host with an uplink eth0, the provider's side that records every frame and
// answers for the rest of the world, and a container behind the host. Without attach() it is bare; two worlds
// with equal options differ in names only.
//
//   ct eth0 --- cbr0 host eth0 --- h0 isp (router, LAN neighbours, gateways, public hosts)
//                    host tun0 ~~~ tun0 isp   inside UDP to 198.51.100.7:1195 of the VPN user, with
//                    OPTIONS.tunnel
//                    host eth0 --- c0 br0 w0 --- h0 isp   with OPTIONS.relayed
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/bytes.h"
#include "harness/capture.h"
#include "harness/netns.h"
#include "harness/process.h"
#include "harness/sender.h"

namespace lk::harness {

struct WorldOptions {
    std::string name;    // of its network namespaces: lk-NAME-host, ...
    bool tunnel = false; // tun0 is up and has the default routes; STEERED destinations still leave by eth0
    bool tap = false;    // it is an Ethernet: attach with --tunnel tun0
    bool container = true;
    bool bridged = false;  // eth0 is a port of br0, which has the addresses
    bool relayed = false;  // the host is a container: its eth0 ends as c0 at a bridge, in a namespace between
    bool responder = true; // the outside world answers on its ports
    bool capture = true;   // record every frame, which costs each of them
};

// Where a sender sits: the device that its frames leave by, and what they look like.
struct Seat {
    const Netns *netns = nullptr;
    std::string device, mac, next_mac; // six bytes each
    Ip source4, source6;
};

class World {
  public:
    explicit World(const WorldOptions &options);
    ~World();

    const WorldOptions &options() const { return options_; }
    Netns &isp() { return isp_; }
    Netns &host() { return host_; }
    const Netns &host() const { return host_; }
    Netns &container() { return *container_; }
    Netns &relay() { return *relay_; }
    const Netns &relay() const { return *relay_; }
    Capture &capture() { return *capture_; }

    Seat host_seat() const;
    Seat container_seat(bool nated) const; // masqueraded by the host, or not
    Seat isp_seat() const;                 // frames from here arrive at eth0

    // leakbpf ARGS in the host's namespace, and for attach: throws with its words when it fails.
    Output leakbpf(const std::vector<std::string> &args) const;
    void attach(const std::vector<std::string> &args);

    void tunnel_up();   // tun0 with addresses and default routes
    void tunnel_down(); // tun0 is gone

  private:
    WorldOptions options_;
    Netns isp_, host_;
    std::unique_ptr<Netns> container_, relay_;
    std::unique_ptr<Capture> capture_;
    std::unique_ptr<Helper> responder_, tunnel_far_, tunnel_near_;
    bool attached_ = false;
    void connect_uplink();
    void connect_relay();
    void connect_container();
};

// The gateways: .7 for everything, .8 for one port. Attach with gateway_args().
extern const Ip gateway4, gateway6, port_gateway4, port_gateway6, resolver4, resolver6;
constexpr std::uint16_t gateway_port = 1194;
std::vector<std::string> gateway_args();

} // namespace lk::harness
