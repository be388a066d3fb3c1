// SPDX-License-Identifier: MIT
// The reference model's reading of a frame: "Reading a packet" of docs/policy.md, byte by byte, with no
// regard for speed. Shares nothing with bpf/ or image/, so that a misreading there shows here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "cases/world.h"

namespace lk::model {

// An address of one family; IPv4 takes the first four bytes and leaves the others zero.
struct Ip {
    bool v4 = false;
    std::array<std::uint8_t, 16> bytes{}; // network byte order
    auto operator<=>(const Ip &) const = default;
};

struct Net {
    Ip base;
    unsigned length = 0; // of its own family
    bool contains(const Ip &ip) const;
};

Ip ip(const Address &address);
Ip ip(const char *text); // for the addresses that the page names
Net net(const Address &address, unsigned length);
Net net(const char *text, unsigned length);

enum class Shape { whole, first, tail };

struct Packet {
    Ip source, destination;
    std::uint8_t hop_limit = 0; // IPv4: time to live
    Shape shape = Shape::whole;
    std::uint32_t fragment_id = 0;
    std::uint8_t fragment_protocol = 0; // IPv4: the protocol; IPv6: what the fragment header names as next
    std::uint8_t protocol = 0;          // the upper layer; not known in an IPv6 tail
    std::uint16_t source_port = 0, port = 0;               // host byte order; of TCP and UDP, not in tails
    std::uint8_t type = 0;                                 // of ICMPv6, not in tails
    Ip target;                                             // of neighbour solicitations and advertisements
    std::span<const std::uint8_t> to_the_end_of_the_frame; // from the upper layer on; not in tails
    bool dressed = false;                                  // behind a VLAN tag or an extension header
    bool tcp_or_udp() const { return shape != Shape::tail && (protocol == 6 || protocol == 17); }
};

struct Arp {
    Ip sender, target; // protocol addresses
};

// What stands behind the MAC header and at most two VLAN tags.
struct Link {
    std::uint16_t type = 0; // host byte order; 0x0800 or 0x86dd for L3 devices
    bool tagged = false;
    std::span<const std::uint8_t> rest;
};

// nullopt: row 1's ethertype.
std::optional<Link> read_link(bool l3, std::span<const std::uint8_t> frame);
std::optional<Arp> read_arp(std::span<const std::uint8_t> rest);
// nullopt: malformed.
std::optional<Packet> read_ipv4(std::span<const std::uint8_t> rest);
std::optional<Packet> read_ipv6(std::span<const std::uint8_t> rest);

} // namespace lk::model
