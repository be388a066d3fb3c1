// SPDX-License-Identifier: MIT
// What the policy in force says of a query that somebody on this machine sends: asked of the decision code
// itself, compiled natively, so that `resolve` can tell why it has no answer. Pure.
#pragma once

#include <optional>
#include <string>

#include "image/map_image.h"
#include "net/dns_message.h"
#include "policy/policy.h"

namespace lk {

struct Asker {
    std::optional<uid_t> uid;    // whose sockets they are
    std::uint64_t cgroup_id = 0; // of the sockets; 0: of no importance
    std::uint32_t fwmark = 0;
};

struct QueryVerdict {
    lk_verdict verdict = LK_DROP;
    lk_reason reason = LK_NO_POLICY;
    std::string device; // that it was judged on
};

// By UDP. None: SOURCE belongs to no guarded uplink, so that the query goes another way.
std::optional<QueryVerdict> judge_query(const MapImage &image, const Topology &topology, const Asker &asker,
                                        const Address &source, const Resolver &server, const DnsQuery &query);

} // namespace lk
