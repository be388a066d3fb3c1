// SPDX-License-Identifier: MIT
// The two DNS messages that `resolve` needs: a query for addresses, and its answer. The answer comes from a
// network that may be hostile: what is not exactly an answer to the query is none. Records are read by the C
// library's own parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/address.h"
#include "policy/dns_name.h"

namespace lk {

enum class RecordType : std::uint16_t { a = 1, aaaa = 28 };

struct DnsQuery {
    std::uint16_t id = 0; // not to be guessed
    DnsName name;
    RecordType type = RecordType::a;
};

// One question, recursion desired, nothing else.
std::string to_wire(const DnsQuery &query);

struct DnsAnswer {
    enum class Kind {
        addresses,    // one or more, aliases followed
        no_address,   // the name exists, without an address of this type
        no_such_name, // NXDOMAIN
        truncated,    // to be asked again by TCP
        failed        // CODE says why
    };
    Kind kind = Kind::failed;
    std::vector<Address> addresses; // in the order of the message, each once
    int code = 0;                   // the message's RCODE
};

// None: not an answer to this query, or malformed.
std::optional<DnsAnswer> read_answer(const DnsQuery &query, std::string_view message);

// "SERVFAIL", or the number.
std::string response_code(int code);

} // namespace lk
