// SPDX-License-Identifier: MIT
// What a case is judged in, in the terms of docs/policy.md: one guarded device, its surroundings, a policy, a
// sender. Holds values only: how a judge encodes them is the judge's business (the model reads them as they
// are, image.h makes a Document and a Topology of them).
#pragma once

#include <cstdint>
#include <vector>

#include "policy/policy.h"

namespace lk {

struct WorldAddress {
    Address address;
    unsigned prefix_length = 0; // of the address's own family
};

struct World {
    bool active = true;         // false: no policy holds for the device
    bool l3 = false;            // packets begin with the IP header
    bool bond_port = false;     // the own addresses are then those of the bond
    bool bridge_port = false;   // of the bridge
    bool pppoe_carrier = false; // a guarded ppp device is on top; matters with Policy::pppoe
    std::vector<WorldAddress> own;
    std::vector<Address> next_hops;
    std::vector<WorldAddress> tunnels; // addresses of tunnel devices
    std::vector<Address> routers;      // next hops of default routes; a portal is open to them
    std::uint64_t portal_until_ns = 0; // on the judges' clock, which begins at 1
    std::vector<std::vector<std::uint8_t>> arrived = {}; // frames that came in by the device just now
    Policy policy;
};

struct Sender {
    bool vpn_daemon = false; // the socket's mark or cgroup is one of the policy's
    bool forwarded = false;  // came in on another device and has no socket
    std::uint32_t fwmark = 0;
    bool operator==(const Sender &) const = default;
};

struct Answer {
    lk_verdict verdict = LK_DROP;
    lk_reason reason = LK_NO_POLICY;
    bool operator==(const Answer &) const = default;
};

} // namespace lk
