// SPDX-License-Identifier: MIT
// Row P of docs/policy.md: to whom a portal may open, and to whom one that is open opens still.
#pragma once

#include <optional>
#include <vector>

#include "image/build_device.h"
#include "policy/router.h"

namespace lk {

// A next hop of a default route over a guarded uplink or what is stacked on it.
struct PortalChoice {
    Router router;
    bool lan = false;                           // by its address alone, or named with --lan
    std::optional<Surroundings::Carved> carved; // why it is none, whoever names it
};
std::vector<PortalChoice> portal_choices(const Document &document, const Topology &topology); // sorted

// Of the document's portal those that are next hops of REACH still and not carved out of the LAN.
std::vector<Address> portal_routers(const Surroundings &around, const Reach &reach);
// The same over all guarded uplinks, sorted.
std::vector<Router> portal_routers(const Document &document, const Topology &topology);

} // namespace lk
