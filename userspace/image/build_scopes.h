// SPDX-License-Identifier: MIT
// Which policy holds on which device.
#pragma once

#include <vector>

#include "net/topology.h"
#include "policy/policy.h"

namespace lk {

struct Guarded {
    int ifindex = 0;
    std::size_t scope = 0; // index into Document::scopes
};

struct ScopePlan {
    std::vector<DeviceClass> classes; // in the order of topology.devices
    std::vector<Guarded> guarded;     // lowest devices, sorted by ifindex
    std::vector<int> unguarded;       // lowest devices of other uplinks, sorted
};

// Uplinks that a scope names go with the last scope that does. Any other goes with the last scope that takes
// new ones in, unless it is in that one's list of uplinks left alone.
ScopePlan plan_scopes(const Document &document, const Topology &topology);

// The scope whose policy the socket hooks follow; NO_SCOPE without scopes.
constexpr std::size_t no_scope = static_cast<std::size_t>(-1);
std::size_t taking_scope(const Document &document); // the last that takes new uplinks in
std::size_t host_scope(const Document &document);   // that one, or the last one

} // namespace lk
