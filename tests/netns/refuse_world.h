// SPDX-License-Identifier: MIT
// A guarded host between a container and the outside, with bpf/refuse.h alone on its uplinks
// (refuse_all.bpf.c):
//
//     box ---- in0 host eth0 ---- far0 isp          box is routed, or translated (masquerade)
//     pod ---- port0 br0 (host) eth1 ---- far1 isp  pod is bridged
//     mac: a macvlan on eth0        tun0 (host): an L3 uplink, to 203.0.113.128/25 and 2001:db8:f:1::/64
//
// 198.51.100.0/24 and 2001:db8:1::/64 are the link and pass; 203.0.113.0/24 and 2001:db8:f::/64 are
// elsewhere, answered by isp, and refused while `refusing` is set. Needs a Sandbox around it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "harness/bytes.h"
#include "harness/netns.h"
#include "leakbpf/abi.h"
#include "refuse_all.skel.h"

namespace lk::harness {

class RefuseWorld {
  public:
    RefuseWorld();
    RefuseWorld(const RefuseWorld &) = delete;
    RefuseWorld &operator=(const RefuseWorld &) = delete;
    ~RefuseWorld();
    static RefuseWorld &get(); // one for the whole executable

    Netns host{"lk-host"}, box{"lk-box"}, pod{"lk-pod"}, mac{"lk-mac"}, isp{"lk-isp"};
    lk_refuse_all *bpf = nullptr;
    decltype(lk_refuse_all::bss) state() const { return bpf->bss; }

    void masquerade(bool on);
    // Frames that reached the far side with an address that is refused, since the last call.
    unsigned leaked();

    struct Limit {
        unsigned long long used = 0, suppressed = 0; // over all CPUs
    };
    Limit limit(unsigned kind) const; // enum lk_limit_kind

  private:
    Fd tun_, far_;
};

// What a device receives (and, with OUTGOING, sends): whole frames.
class Sniffer {
  public:
    Sniffer(const Netns &netns, const std::string &device);
    struct Frame {
        Bytes bytes; // from the link header on
        bool outgoing = false;
        bool unfinished = false; // its checksum is left to the device (CHECKSUM_PARTIAL)
        unsigned vlan = 0;       // tag in the metadata
    };
    // The next frame of PROTOCOL (IP's) that the device received, or an empty one after TIMEOUT_MS.
    Frame next(std::uint8_t protocol, int timeout_ms = 2000);

  private:
    Fd socket_;
};

struct Parsed {
    int family = 0;
    Ip src, dst;
    std::uint8_t protocol = 0;
    Bytes payload;             // of the IP packet
    bool ip_sum_right = false; // IPv4 header checksum; true in IPv6
    bool sum_right = false;    // TCP, ICMP, ICMPv6
};
Parsed parse(const Bytes &ip_packet);

// A socket of NETNS.
Fd socket_in(const Netns &netns, int family, int type, int protocol = 0);

struct Connected {
    int error = 0; // errno of connect(); ETIMEDOUT after a second
    double ms = 0;
};
Connected connect_from(const Netns &netns, const std::string &address, std::uint16_t port);
Connected connect_with(const Fd &socket, const Ip &ip, std::uint16_t port);

// Sends by a connected UDP socket and waits for the error that comes back: its errno, or 0 after TIMEOUT_MS.
int udp_error(const Netns &netns, const std::string &address, const Bytes &payload, int timeout_ms = 1000);

} // namespace lk::harness
