// SPDX-License-Identifier: MIT
// Frames for tests: right by default (lengths, checksums), with a knob to break each field. Values only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lk {

using Bytes = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;

struct Extension { // an IPv6 extension header
    std::uint8_t type = 60;
    std::size_t size = 8;                     // bytes
    std::optional<std::uint8_t> length_field; // instead of the right one
};

struct Packet {
    // Ethernet; left out on L3 devices
    Mac to{0x02, 0, 0, 0, 0, 0x02}, from{0x02, 0, 0, 0, 0, 0x01};
    std::vector<std::uint16_t> tags;   // tag protocol ids, the outermost first
    std::optional<std::uint16_t> type; // instead of the right one
    std::optional<Bytes> body;         // what follows the type, instead of an IP packet

    // IP
    std::string source, destination; // the family is that of the destination
    std::uint8_t hop_limit = 64, protocol = 17;
    Bytes options;                                     // IPv4
    std::vector<Extension> before, after;              // IPv6: in front of and behind the fragment header
    std::optional<std::uint8_t> version, header_words; // instead of the right ones
    std::optional<std::uint16_t> length; // IPv4 total length, IPv6 payload length, instead of the right one
    bool reserved_bit = false, dont_fragment = false;

    // Fragments: a fragment header in IPv6 whenever fragment_id is there
    std::optional<std::uint32_t> fragment_id;
    unsigned fragment_offset = 0; // in units of 8 bytes
    bool more_fragments = false;
    bool second_fragment_header = false;

    Bytes payload;
    Bytes padding;                     // behind what the length says
    std::optional<std::size_t> cut_to; // bytes of the IP packet that are left

    Packet hops(std::uint8_t n) const;
    Packet proto(std::uint8_t n) const;
    Packet with_length(std::uint16_t n) const;
    Packet with_options(Bytes bytes) const;
    Packet with_before(std::vector<Extension> headers) const;
    Packet with_after(std::vector<Extension> headers) const;
    Packet first(std::uint32_t id) const;                       // offset 0, more fragments
    Packet tail(std::uint32_t id, unsigned offset = 185) const; // last fragment; the payload stays
    Packet atomic(std::uint32_t id) const;                      // IPv6: a fragment header that says nothing
    Packet payload_cut(std::size_t bytes) const;                // the IP length goes with it
    Packet patch(std::size_t at, Bytes bytes) const;            // overwrites payload bytes
    Packet pad(std::size_t bytes) const;
    Packet cut(std::size_t bytes) const; // leaves so many bytes of the IP packet, lengths unchanged

    bool ipv6() const { return destination.find(':') != std::string::npos; }
    Bytes network() const;      // from the IP header on
    Bytes frame(bool l3) const; // what a device of that sort sends
};

Packet udp(const std::string &source, const std::string &destination, unsigned sport, unsigned dport,
           std::size_t data_bytes = 16);
Packet tcp(const std::string &source, const std::string &destination, unsigned sport, unsigned dport,
           std::size_t data_bytes = 0);
// Any protocol with `bytes` bytes that mean nothing.
Packet other(const std::string &source, const std::string &destination, std::uint8_t protocol,
             std::size_t bytes = 16);
Packet icmp(const std::string &source, const std::string &destination, std::uint8_t type,
            std::size_t bytes = 16);
Packet icmp6(const std::string &source, const std::string &destination, std::uint8_t type,
             std::size_t bytes = 16);
// Neighbour solicitation or advertisement (type 135, 136), hop limit 255.
Packet neighbour(std::uint8_t type, const std::string &source, const std::string &destination,
                 const std::string &target);
Packet igmp(const std::string &source, const std::string &destination); // a v2 report, TTL 1, no option
Packet mld(std::uint8_t type, const std::string &source, const std::string &destination); // hop limit 1
Packet arp(const std::string &sender, const std::string &target, unsigned operation = 1);
Packet raw(std::uint16_t type, Bytes body);

std::string hexdump(const Bytes &bytes);

} // namespace lk
