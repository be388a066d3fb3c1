// SPDX-License-Identifier: MIT
#include "net/dns_message.h"

#include <arpa/nameser.h>
#include <fmt/format.h>
#include <resolv.h>
#include <strings.h>

#include <algorithm>
#include <array>

namespace lk {

namespace {

constexpr std::size_t header_size = 12;
constexpr int max_aliases = 16;
constexpr std::uint16_t class_in = 1;
// Bits of the header's second word (RFC 1035 4.1.1).
constexpr unsigned flag_response = 0x8000, mask_opcode = 0x7800, flag_truncated = 0x0200,
                   flag_recurse = 0x0100, mask_code = 0x000f;

void put16(std::string &wire, unsigned value) {
    wire += static_cast<char>(value >> 8);
    wire += static_cast<char>(value);
}

unsigned get16(std::string_view wire, std::size_t at) {
    return static_cast<unsigned>(static_cast<unsigned char>(wire[at]) << 8 |
                                 static_cast<unsigned char>(wire[at + 1]));
}

std::string question(const DnsQuery &query) {
    std::string wire = query.name.wire();
    put16(wire, static_cast<unsigned>(query.type));
    put16(wire, class_in);
    return wire;
}

// Without regard to the case of ASCII letters (RFC 4343); lengths of labels are below 'A'.
bool same_question(std::string_view asked, std::string_view echoed) {
    return std::equal(asked.begin(), asked.end(), echoed.begin(), echoed.end(), [](char a, char b) {
        return (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b) == a;
    });
}

struct Record {
    std::string owner;
    int type = 0;
    std::string alias;              // of a CNAME
    std::optional<Address> address; // of an A or AAAA
};

const unsigned char *bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char *>(text.data());
}

// None: malformed. A record of no interest has neither alias nor address.
std::optional<Record> read_record(ns_msg &handle, int index, std::string_view message) {
    ns_rr rr;
    if (ns_parserr(&handle, ns_s_an, index, &rr) != 0) return {};
    Record record{ns_rr_name(rr), ns_rr_type(rr), {}, {}};
    if (ns_rr_class(rr) != ns_c_in) return record;
    if (record.type == ns_t_cname) {
        std::array<char, NS_MAXDNAME> name{};
        const int used = ns_name_uncompress(bytes(message), bytes(message) + message.size(), ns_rr_rdata(rr),
                                            name.data(), name.size());
        if (used != ns_rr_rdlen(rr)) return {};
        record.alias = name.data();
    } else if (record.type == ns_t_a) {
        if (ns_rr_rdlen(rr) != NS_INADDRSZ) return {};
        record.address = Address::from_v4(ns_rr_rdata(rr));
    } else if (record.type == ns_t_aaaa) {
        if (ns_rr_rdlen(rr) != NS_IN6ADDRSZ) return {};
        record.address = Address::from_v6(ns_rr_rdata(rr));
        if (record.address->is_v4()) record.address.reset(); // ::ffff:0:0/96 is nobody's address
    }
    return record;
}

// The name at the end of the aliases, which may stand in any order; none: they go round.
std::optional<std::string> follow_aliases(const std::vector<Record> &records, std::string name) {
    for (int hops = 0; hops <= max_aliases; ++hops) {
        const auto alias = std::find_if(records.begin(), records.end(), [&](const Record &record) {
            return !record.alias.empty() && strcasecmp(record.owner.c_str(), name.c_str()) == 0;
        });
        if (alias == records.end()) return name;
        name = alias->alias;
    }
    return {};
}

} // namespace

std::string to_wire(const DnsQuery &query) {
    std::string wire;
    for (const unsigned word : {unsigned{query.id}, flag_recurse, 1u, 0u, 0u, 0u})
        put16(wire, word);
    return wire + question(query);
}

std::optional<DnsAnswer> read_answer(const DnsQuery &query, std::string_view message) {
    const std::string asked = question(query);
    if (message.size() < header_size + asked.size()) return {};
    const unsigned flags = get16(message, 2);
    if (get16(message, 0) != query.id || !(flags & flag_response) || (flags & mask_opcode) != 0) return {};
    if (get16(message, 4) != 1 || !same_question(asked, message.substr(header_size, asked.size()))) return {};
    DnsAnswer answer;
    answer.code = static_cast<int>(flags & mask_code);
    if (flags & flag_truncated) {
        answer.kind = DnsAnswer::Kind::truncated; // what is there may be cut anywhere
        return answer;
    }

    ns_msg handle;
    if (ns_initparse(bytes(message), static_cast<int>(message.size()), &handle) != 0) return {};
    if (answer.code == ns_r_nxdomain) {
        answer.kind = DnsAnswer::Kind::no_such_name;
        return answer;
    }
    if (answer.code != ns_r_noerror) return answer;
    std::vector<Record> records;
    for (int index = 0; index < ns_msg_count(handle, ns_s_an); ++index) {
        const auto record = read_record(handle, index, message);
        if (!record) return {};
        records.push_back(*record);
    }
    const auto name = follow_aliases(records, query.name.str());
    if (!name) return {};
    for (const Record &record : records)
        if (record.address && record.type == static_cast<int>(query.type) &&
            strcasecmp(record.owner.c_str(), name->c_str()) == 0 &&
            std::find(answer.addresses.begin(), answer.addresses.end(), *record.address) ==
                answer.addresses.end())
            answer.addresses.push_back(*record.address);
    answer.kind = answer.addresses.empty() ? DnsAnswer::Kind::no_address : DnsAnswer::Kind::addresses;
    return answer;
}

std::string response_code(int code) {
    static constexpr std::array names{"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
    const auto index = static_cast<std::size_t>(code);
    return index < names.size() ? names[index] : fmt::format("RCODE {}", code);
}

} // namespace lk
