// SPDX-License-Identifier: MIT
// Gives sockets that are older than the sock_create hook the mark that it would have written.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "kernel/map.h"
#include "leakbpf/abi.h"

namespace lk {

// Walks the descriptors of every process. Only IPv4 and IPv6 sockets of this network namespace are marked,
// never packet sockets, and a mark that is there stays. A socket that cannot be reached (in flight between
// processes, or of a process that /proc does not show) has no mark, and so is never taken for the VPN
// daemon's.
Result<void> mark_old_sockets(const Map<int, lk_mark> &marks, std::uint64_t netns_cookie);

} // namespace lk
