// SPDX-License-Identifier: MIT
// DNS packets built and read by code of its own, which shares nothing with bpf/: what was translated must be
// right in the eyes of somebody else.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace lk::fuzz {

using Bytes = std::vector<std::uint8_t>;

struct Peer {
    std::array<std::uint8_t, 16> address{}; // IPv4: the first four
    std::uint16_t port = 0;                 // host byte order
    bool operator==(const Peer &) const = default;
};

struct DnsPacket {
    bool v6 = false, tcp = false;
    Peer from, to;
    std::uint8_t traffic_class = 0, hops = 64;
    Bytes tcp_header_rest; // sequence number to options, without ports; the checksum is filled in
    Bytes payload;
    bool no_checksum = false; // UDP over IPv4 only
    bool partial = false;     // the checksum field holds the pseudo-header's sum
    bool operator==(const DnsPacket &) const = default;
};

// With a MAC header unless l3.
Bytes build(const DnsPacket &packet, bool l3);
// nullopt: lengths or checksums are wrong. partial: what the checksum field must hold.
std::optional<DnsPacket> read(std::span<const std::uint8_t> frame, bool l3, bool partial);

// The value of the MSS option, and the place of its two bytes in tcp_header_rest.
struct Mss {
    std::uint16_t value;
    std::size_t at;
};
std::optional<Mss> mss_of(const DnsPacket &packet);

} // namespace lk::fuzz
