// SPDX-License-Identifier: MIT
// Answers for every host of the outside world: TCP and UDP echo on a list of ports, at whatever local address
// was asked.
#pragma once

#include <memory>

#include "harness/netns.h"
#include "harness/sender.h"

namespace lk::harness {

// A socket bound to PORT of every address of both families, that does not wait. Throws std::runtime_error.
Fd listener(int type, std::uint16_t port);
// Sends one datagram that came to a listener back, from the address that it came to.
void echo_datagram(int fd);

std::unique_ptr<Helper> start_responder(const Netns &netns);

// Ports that answer, in TCP and UDP; all others refuse.
constexpr std::uint16_t echo_ports[] = {22,   53,   80,   443,  445,  546,  547,  853,
                                        1194, 1900, 2049, 5355, 8080, 9000, 51820};

} // namespace lk::harness
