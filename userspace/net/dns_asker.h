// SPDX-License-Identifier: MIT
// Asks one server one question, once. The sockets are the caller's, who says by that in whose name it is.
#pragma once

#include <chrono>
#include <optional>

#include "base/fd.h"
#include "base/result.h"
#include "net/dns_message.h"
#include "policy/policy.h"

namespace lk {

// For one question; TCP is there for an answer that is too large.
struct DnsSockets {
    Fd udp, tcp;
    static Result<DnsSockets> make(const Resolver &server); // of its family, not connected yet
};

// By UDP from a port of the kernel's choice, and by TCP when the answer is truncated. Messages that are no
// answer to QUERY are skipped. Errors are Exit::no_answer: the network's, or the time is up.
Result<DnsAnswer> ask(const DnsSockets &sockets, const Resolver &server, const DnsQuery &query,
                      std::chrono::steady_clock::time_point deadline);

// The address that a connected socket sends from.
std::optional<Address> local_address(const Fd &socket);

} // namespace lk
