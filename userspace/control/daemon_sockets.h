// SPDX-License-Identifier: MIT
// Sockets that are the VPN daemon's by all that the filter and the kernel's routing go by: user, cgroup,
// mark.
#pragma once

#include "control/control.h"
#include "control/query_judge.h"
#include "net/dns_asker.h"

namespace lk {

// COUNT pairs to SERVER. USER: instead of the policy's own; without any, its first cgroup, which the calling
// process enters and stays in; without that the caller's. Needs root and a single thread. ASKER: who it was.
struct DaemonSockets {
    std::vector<DnsSockets> pairs;
    Asker asker;
};
Result<DaemonSockets> make_daemon_sockets(const Site &site, const Policy &policy,
                                          const std::optional<VpnUser> &user, const Resolver &server,
                                          std::size_t count);

} // namespace lk
