// SPDX-License-Identifier: MIT
// Answers for every host of the outside world: TCP and UDP echo on a list of ports, at whatever local address
// was asked.
#pragma once

#include <memory>

#include "harness/netns.h"
#include "harness/sender.h"

namespace lk::harness {

std::unique_ptr<Helper> start_responder(const Netns &netns);

// Ports that answer, in TCP and UDP; all others refuse.
constexpr std::uint16_t echo_ports[] = {22,   53,   80,   443,  445,  546,  547,  853,
                                        1194, 1900, 2049, 5355, 8080, 9000, 51820};

} // namespace lk::harness
