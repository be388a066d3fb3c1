// SPDX-License-Identifier: MIT
// One uplink: its flags, its own addresses and what it reaches as rows.
#pragma once

#include <string>
#include <vector>

#include "image/build_scopes.h"
#include "image/map_image.h"
#include "net/stacking.h"

namespace lk {

// What is the same for every uplink of a document.
struct Surroundings {
    const Document &document;
    const Topology &topology;
    const ScopePlan &plan;
    struct Carved {
        Prefix prefix;
        std::string tunnel; // device; empty: a resolver
    };
    std::vector<Carved> carved; // never in the LAN: resolvers of every scope, prefixes of tunnels
    Stacking stacking;          // of the topology
    bool ppp_guarded = false;   // there are ppp devices, and all that are uplinks are guarded
};
Surroundings surroundings_of(const Document &document, const Topology &topology, const ScopePlan &plan);

struct BuiltDevice {
    DeviceRow row; // sets are not filled in, record.policy is zero
    NetSet nets;
    bool readable = true; // false: frames of this link type cannot be parsed, so nothing may leave
};
BuiltDevice build_device(const Surroundings &around, const Guarded &guarded,
                         std::vector<std::string> &notices);

// Own addresses of all devices, prefixes of inside ones and routers that a portal is open to, for the socket
// hooks.
NetSet build_host_nets(const Surroundings &around);

} // namespace lk
