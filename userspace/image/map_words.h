// SPDX-License-Identifier: MIT
// The words for flags and endpoints that the text and the JSON of an image share. Private to this room.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "image/map_image.h"

namespace lk::words {

// Set bits by name, lowest first; a bit without a name as "bit-N".
std::vector<std::string> policy_flags(std::uint32_t flags);
std::vector<std::string> device_flags(std::uint32_t flags);
std::vector<std::string> net_flags(std::uint32_t flags);

// "any", "udp/1194" for an entry that names its protocol, "udp/1194?" for one that came from a port alone,
// "esp".
std::vector<std::string> endpoints(const GatewayRow &row);

std::vector<std::string> resolvers(const lk_policy &policy); // "10.42.0.1:53", "[2001:db8::53]:53"

} // namespace lk::words
