// SPDX-License-Identifier: MIT
// The text forms that --gw and --dns share: HOST[:PORT] with IPv6 in brackets. Private to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "policy/address.h"

namespace lk {

// "198.51.100.0/24:1194" in its parts, none of them checked yet but for the brackets.
struct HostPort {
    std::string_view host; // without brackets
    std::optional<std::string_view> port;
    bool bracketed = false;
};

// IPv6 with a port and no brackets is an error that shows the form with brackets. SUFFIX ("/udp") is what the
// caller cut off.
Result<HostPort> split_host_port(std::string_view text, std::string_view suffix);

// A host name is an error that says how to resolve it first; OPTION is "--gw" or "--dns". None when HOST may
// be an address.
std::optional<Error> refuse_name(std::string_view host, std::string_view option);

// 1 to 65535, decimal.
Result<std::uint16_t> parse_port(std::string_view port, std::string_view whole);

} // namespace lk
