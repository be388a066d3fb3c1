// SPDX-License-Identifier: MIT
// Asks a DNS server for a host's addresses as the VPN daemon would: for a VPN client that needs its gateway's
// address before there is a tunnel. Changes nothing of the filter, and asks once.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "control/control.h"
#include "control/query_judge.h"
#include "policy/dns_name.h"

namespace lk {

struct ResolveRequest {
    DnsName name;
    std::optional<Resolver> server; // none: the one that the policy names for this
    std::optional<VpnUser> user;    // none: the policy's, else the caller
    bool v4 = true, v6 = true;      // what to ask for
    std::chrono::milliseconds timeout{5000};
};

struct ResolveAnswer {
    DnsName name;
    Resolver server;
    std::vector<Address> addresses;     // IPv4 first
    Exit exit = Exit::ok;               // or no_such_name, no_answer: then without addresses
    std::vector<std::string> troubles;  // what went wrong; with addresses too, if one of two queries failed
    std::optional<QueryVerdict> judged; // where the policy in force does not simply let the query pass
};

// Errors: no server is known, or the sockets cannot be made.
Result<ResolveAnswer> resolve(const Site &site, const ResolveRequest &request);

// The server that POLICY lets be asked for NAME: by --bootstrap-dns; if none, a gateway entry that is one
// address with port 53. An error unless there is exactly one.
Result<Resolver> server_of(const Policy &policy, const DnsName &name);

} // namespace lk
