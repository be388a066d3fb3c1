// SPDX-License-Identifier: MIT
// What the tests of real VPNs share: an application that pings through the tunnel, or sends beside it.
#pragma once

#include <sys/types.h>

#include "harness/bytes.h"
#include "harness/netns.h"

namespace lk::harness {

// /dev/net/tun as most machines have it, open to all: in this mount namespace only.
void open_tun_to_all();

// True: an answer came to an echo request with TOKEN in it, sent by an ordinary user.
bool pings(const Netns &netns, const Ip &to, const Bytes &token);

// One UDP datagram of somebody's, as they are: nobody is told whether it left.
void send_datagram(const Netns &netns, uid_t uid, const Ip &to, std::uint16_t port, const Bytes &text);

} // namespace lk::harness
