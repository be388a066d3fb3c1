// SPDX-License-Identifier: MIT
// What keeps queries from going to the VPN's resolver by a tunnel, scope by scope and family by family. Pure.
#pragma once

#include <string>
#include <vector>

#include "image/map_image.h"

namespace lk {

// Sentences without a full stop, each once.
struct DnsLacks {
    std::vector<std::string> always;       // by the policy itself
    std::vector<std::string> until_tunnel; // what a tunnel that comes up mends
};
// BUILT of DOCUMENT. NOW_NS: CLOCK_BOOTTIME.
DnsLacks dns_lacks(const Document &document, const Built &built, std::uint64_t now_ns);

} // namespace lk
