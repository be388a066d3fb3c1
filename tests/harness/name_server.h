// SPDX-License-Identifier: MIT
// A DNS server for real askers: answers by UDP and TCP, and writes down what it was asked. What it says goes
// by the first label of the name:
//     none       there is no such name
//     bare       no record of any type
//     four       an IPv4 address only
//     fail       SERVFAIL
//     silent     nothing
//     alias      a CNAME to NAME.real, and that one's addresses
//     big        40 addresses; by UDP truncated to nothing where they do not fit
//     any other  one address of the type asked for
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/bytes.h"
#include "harness/netns.h"
#include "harness/sender.h"

namespace lk::harness {

extern const Ip named4, named6; // the address of every name

// At port 53 of each address. LOG: a file of lines "udp vpn.example.org A", appended before each answer.
std::unique_ptr<Helper> start_name_server(const Netns &netns, const std::vector<Ip> &at,
                                          const std::string &log);

// Lines of LOG, sorted, each once; PROTOCOL and TYPE as written there.
std::vector<std::string> asked_of(const std::string &log);

// A query as it is in a packet, marked by its name: case is that of NAME.
Bytes dns_name(const std::string &name);
Bytes dns_query(const std::string &name, std::uint16_t type, std::uint16_t id = 0x4c4b);

} // namespace lk::harness
