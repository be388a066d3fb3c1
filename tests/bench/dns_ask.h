// SPDX-License-Identifier: MIT
// Queries to the public server of DnsWorld.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/fd.h"

namespace lk::bench {

constexpr std::size_t query_bytes = 40;
constexpr unsigned lookups_in_a_turn = 50;

struct DnsLoss {
    std::uint64_t asked = 0, lost = 0;
};

// A new UDP socket to it. BOUND: to a port, so that the socket hooks leave it alone.
Fd dns_socket(bool bound);

// COUNT queries, AT_ONCE on their way, each by a new socket (FRESH) or by AT_ONCE old ones. Returns how many
// were answered in a second.
double ask_dns(std::uint64_t count, std::size_t at_once, bool fresh, bool bound,
               std::vector<double> &latencies_us, DnsLoss &loss);

// How long each of COUNT queries takes with all that a program does for it: a socket, the query, its answer.
std::vector<double> look_up_us(unsigned count, bool bound, DnsLoss &loss);

} // namespace lk::bench
