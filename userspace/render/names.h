// SPDX-License-Identifier: MIT
// Words for the numbers of leakbpf/abi.h, as docs/policy.md and docs/json.md use them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "leakbpf/abi.h"

namespace lk {

// "?" for a number that is none (from a kernel side that is newer).
std::string_view verdict_name(unsigned verdict);
std::string_view reason_name(unsigned reason);
std::string_view hook_name(unsigned hook);

// "tcp", "udp", ...; the number as text where it has no common name.
std::string protocol_name(std::uint8_t protocol);

} // namespace lk
