// SPDX-License-Identifier: MIT
// Sockets that are older than the socket hooks: they get the mark that sock_create would have written, and
// lose the bypass that the setsockopt guard would have refused.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "kernel/map.h"
#include "leakbpf/abi.h"

namespace lk {

// Walks the descriptors of every process; needs both hooks attached, or a newer socket slips through. Only
// IPv4 and IPv6 sockets of this network namespace are marked, and a mark that is there stays; packet sockets
// of it have PACKET_QDISC_BYPASS taken off, so that TC sees what they send. A socket that cannot be reached
// (in flight between processes, or of a process that /proc does not show) has no mark, and so is never taken
// for the VPN daemon's; one of AF_XDP that is bound already cannot be changed.
Result<void> take_in_old_sockets(const Map<int, lk_mark> &marks, std::uint64_t netns_cookie);

} // namespace lk
