// SPDX-License-Identifier: MIT
#include "cases/packet.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace lk {

namespace {

constexpr std::uint8_t icmp_protocol = 1, igmp_protocol = 2, tcp_protocol = 6, udp_protocol = 17,
                       fragment_header = 44, ah_header = 51, icmp6_protocol = 58;

void put16(Bytes &out, unsigned value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

void put32(Bytes &out, std::uint32_t value) {
    put16(out, value >> 16);
    put16(out, value & 0xffff);
}

void put(Bytes &out, const Bytes &bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

Bytes address(const std::string &text) {
    const bool v6 = text.find(':') != std::string::npos;
    Bytes out(v6 ? 16 : 4);
    if (inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), out.data()) != 1)
        throw std::invalid_argument(fmt::format("\"{}\" is no address", text));
    return out;
}

// Internet checksum (RFC 1071) over what is appended to it.
unsigned checksum(const Bytes &bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        sum += i % 2 ? bytes[i] : bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

// The payload with the checksum of its protocol; left alone where the checksum would not fit.
Bytes summed(const Packet &p) {
    Bytes out = p.payload;
    std::size_t at;
    bool pseudo_header = true;
    if (p.protocol == tcp_protocol)
        at = 16;
    else if (p.protocol == udp_protocol)
        at = 6;
    else if (p.protocol == icmp6_protocol && p.ipv6())
        at = 2;
    else if (p.protocol == icmp_protocol || p.protocol == igmp_protocol)
        at = 2, pseudo_header = false;
    else
        return out;
    if (out.size() < at + 2 || p.fragment_offset) return out;
    out[at] = out[at + 1] = 0;
    Bytes sum;
    if (pseudo_header) {
        put(sum, address(p.source));
        put(sum, address(p.destination));
        put32(sum, static_cast<std::uint32_t>(out.size()));
        put32(sum, p.protocol);
    }
    put(sum, out);
    unsigned value = checksum(sum);
    if (value == 0 && p.protocol == udp_protocol) value = 0xffff;
    out[at] = static_cast<std::uint8_t>(value >> 8);
    out[at + 1] = static_cast<std::uint8_t>(value);
    return out;
}

Bytes ipv4(const Packet &p) {
    Bytes out;
    const unsigned words = 5 + static_cast<unsigned>((p.options.size() + 3) / 4);
    out.push_back(
        static_cast<std::uint8_t>(p.version.value_or(4) << 4 | (p.header_words.value_or(words) & 15)));
    out.push_back(0);
    put16(out, p.length.value_or(static_cast<std::uint16_t>(words * 4 + p.payload.size())));
    put16(out, p.fragment_id.value_or(0x1234) & 0xffff);
    put16(out, (p.reserved_bit ? 0x8000 : 0) | (p.dont_fragment ? 0x4000 : 0) |
                   (p.more_fragments ? 0x2000 : 0) | p.fragment_offset);
    out.push_back(p.hop_limit);
    out.push_back(p.protocol);
    put16(out, 0);
    put(out, address(p.source));
    put(out, address(p.destination));
    put(out, p.options);
    out.resize(words * 4);
    const unsigned sum = checksum(out);
    out[10] = static_cast<std::uint8_t>(sum >> 8);
    out[11] = static_cast<std::uint8_t>(sum);
    put(out, summed(p));
    return out;
}

Bytes extension(const Extension &header, std::uint8_t next) {
    Bytes out(std::max<std::size_t>(header.size, 2));
    out[0] = next;
    const std::size_t units = header.type == ah_header ? header.size / 4 - 2 : header.size / 8 - 1;
    out[1] = header.length_field.value_or(static_cast<std::uint8_t>(units));
    const bool options = header.type == 0 || header.type == 60;
    if (options && out.size() > 4) { // PadN over the rest
        out[2] = 1;
        out[3] = static_cast<std::uint8_t>(std::min<std::size_t>(out.size() - 4, 255));
    }
    return out;
}

Bytes ipv6(const Packet &p) {
    std::vector<Extension> chain = p.before;
    const std::size_t fragment_at = chain.size();
    if (p.fragment_id) chain.push_back({fragment_header, 8, {}});
    if (p.second_fragment_header) chain.push_back({fragment_header, 8, {}});
    chain.insert(chain.end(), p.after.begin(), p.after.end());
    Bytes rest;
    for (std::size_t i = 0; i < chain.size(); ++i) {
        const std::uint8_t next = i + 1 < chain.size() ? chain[i + 1].type : p.protocol;
        if (chain[i].type != fragment_header) {
            put(rest, extension(chain[i], next));
            continue;
        }
        const bool ours = i == fragment_at && p.fragment_id;
        rest.push_back(next);
        rest.push_back(0);
        put16(rest, ours ? p.fragment_offset << 3 | (p.more_fragments ? 1 : 0) : 0);
        put32(rest, ours ? *p.fragment_id : 1);
    }
    put(rest, summed(p));
    Bytes out;
    put32(out, static_cast<std::uint32_t>(p.version.value_or(6)) << 28);
    put16(out, p.length.value_or(static_cast<std::uint16_t>(rest.size())));
    out.push_back(chain.empty() ? p.protocol : chain.front().type);
    out.push_back(p.hop_limit);
    put(out, address(p.source));
    put(out, address(p.destination));
    put(out, rest);
    return out;
}

Packet upper(const std::string &source, const std::string &destination, std::uint8_t protocol,
             Bytes payload) {
    Packet p;
    p.source = source;
    p.destination = destination;
    p.protocol = protocol;
    p.payload = std::move(payload);
    return p;
}

} // namespace

Bytes Packet::network() const {
    Bytes out = body ? *body : ipv6() ? lk::ipv6(*this) : lk::ipv4(*this);
    put(out, padding);
    if (cut_to) out.resize(std::min(*cut_to, out.size()));
    return out;
}

Bytes Packet::frame(bool l3) const {
    if (l3) return network();
    Bytes out(to.begin(), to.end());
    out.insert(out.end(), from.begin(), from.end());
    for (const std::uint16_t tag : tags) {
        put16(out, tag);
        put16(out, 7); // VLAN id
    }
    put16(out, type.value_or(ipv6() ? 0x86dd : 0x0800));
    put(out, network());
    return out;
}

Packet udp(const std::string &source, const std::string &destination, unsigned sport, unsigned dport,
           std::size_t data_bytes) {
    Bytes b;
    put16(b, sport);
    put16(b, dport);
    put16(b, static_cast<unsigned>(8 + data_bytes));
    put16(b, 0);
    b.resize(8 + data_bytes, 0xda);
    return upper(source, destination, udp_protocol, std::move(b));
}

Packet tcp(const std::string &source, const std::string &destination, unsigned sport, unsigned dport,
           std::size_t data_bytes) {
    Bytes b;
    put16(b, sport);
    put16(b, dport);
    put32(b, 1);
    put32(b, 0);
    put16(b, 0x5002); // 20 bytes, SYN
    put16(b, 0xffff);
    put32(b, 0);
    b.resize(20 + data_bytes, 0xda);
    return upper(source, destination, tcp_protocol, std::move(b));
}

Packet other(const std::string &source, const std::string &destination, std::uint8_t protocol,
             std::size_t bytes) {
    return upper(source, destination, protocol, Bytes(bytes, 0));
}

Packet icmp(const std::string &source, const std::string &destination, std::uint8_t type, std::size_t bytes) {
    return other(source, destination, icmp_protocol, bytes).patch(0, {type});
}

Packet icmp6(const std::string &source, const std::string &destination, std::uint8_t type,
             std::size_t bytes) {
    return other(source, destination, icmp6_protocol, bytes).patch(0, {type});
}

Packet neighbour(std::uint8_t type, const std::string &source, const std::string &destination,
                 const std::string &target) {
    return icmp6(source, destination, type, 24).patch(8, address(target)).hops(255);
}

Packet igmp(const std::string &source, const std::string &destination) {
    return other(source, destination, igmp_protocol, 8).patch(0, {0x16}).hops(1);
}

Packet mld(std::uint8_t type, const std::string &source, const std::string &destination) {
    return icmp6(source, destination, type, 24).hops(1);
}

Packet arp(const std::string &sender, const std::string &target, unsigned operation) {
    Bytes b;
    put16(b, 1);
    put16(b, 0x0800);
    b.push_back(6);
    b.push_back(4);
    put16(b, operation);
    put(b, {2, 0, 0, 0, 0, 1});
    put(b, address(sender));
    b.resize(b.size() + 6);
    put(b, address(target));
    Packet p = raw(0x0806, std::move(b));
    p.to.fill(0xff);
    return p;
}

Packet raw(std::uint16_t type, Bytes body) {
    Packet p;
    p.type = type;
    p.body = std::move(body);
    return p;
}

std::string hexdump(const Bytes &bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        out += fmt::format("{}{:02x}", i == 0 ? "" : i % 16 ? " " : "\n", bytes[i]);
    return out;
}

} // namespace lk
