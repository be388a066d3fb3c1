// SPDX-License-Identifier: MIT
// The next hop of a default route. Holds values only.
#pragma once

#include "policy/address.h"

namespace lk {

// The same address may be another router on another device.
struct Router {
    int ifindex = 0; // of the device that holds the route
    Address address;
    auto operator<=>(const Router &) const = default;
};

} // namespace lk
