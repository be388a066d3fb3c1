// SPDX-License-Identifier: MIT
// DNS packets in fragments, and ICMP errors that quote them: built and read, as dns_packet.h, by code that
// shares nothing with bpf/.
#pragma once

#include "fuzz/dns_packet.h"

namespace lk::fuzz {

// WHOLE (with a MAC header unless l3) in two fragments; CUT: payload bytes of the first, a multiple of 8.
std::vector<Bytes> split(const Bytes &whole, bool l3, std::size_t cut, std::uint16_t id);
// The packet that build() would have made of it. nullopt: they are not two fragments of one packet.
std::optional<Bytes> join(const Bytes &first, const Bytes &last, bool l3);

struct IcmpError {
    bool v6 = false;
    Peer from, to; // no ports
    std::uint8_t type = 0, code = 0;
    std::uint32_t rest = 0; // bytes 4 to 7 of the ICMP header, host byte order
    Peer quoted_from, quoted_to;
    bool quoted_tcp = false;
    std::uint8_t quoted_hops = 0;
    std::array<std::uint8_t, 4> quoted_upper{}; // of the upper layer's header, behind the ports
    bool operator==(const IcmpError &) const = default;
};

// What a router at ERROR.from, .to, .type, .code, .rest says of PACKET (with a MAC header unless l3).
Bytes build_error(const IcmpError &error, const Bytes &packet, bool l3);
// nullopt: lengths or checksums are wrong.
std::optional<IcmpError> read_error(std::span<const std::uint8_t> frame, bool l3);

} // namespace lk::fuzz
