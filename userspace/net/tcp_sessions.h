// SPDX-License-Identifier: MIT
// TCP sessions of this machine's own sockets, and the way that the kernel would send what they send. Of the
// calling thread's network namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "base/result.h"
#include "policy/address.h"

namespace lk {

struct TcpSession {
    Address local, remote;
    std::uint16_t local_port = 0, remote_port = 0; // host byte order
    std::uint32_t mark = 0;                        // of the socket
    std::uint32_t uid = 0;
    int bound_to = 0; // ifindex of SO_BINDTODEVICE; 0: to none
};

// Those on LOCAL_PORTS that somebody is at the other end of, and that came to a socket that listens there
// still: what this machine opened itself from such a port is none of them. An error where the kernel lists no
// sockets (CONFIG_INET_TCP_DIAG).
Result<std::vector<TcpSession>> tcp_sessions(const std::set<std::uint16_t> &local_ports);

// The device by which the kernel sends exactly that flow now, rules about ports, marks and users included,
// for each of SESSIONS; none: there is no way.
std::vector<std::optional<int>> ways_of(const std::vector<TcpSession> &sessions);

} // namespace lk
