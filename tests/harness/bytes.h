// SPDX-License-Identifier: MIT
// Packets as bytes: addresses and the headers that tests put together by hand. Ports, ids and types are in
// host byte order in every parameter and in network byte order in every result. Checksums are right unless a
// caller says otherwise.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace lk::harness {

using Bytes = std::string;

// An address of either family.
struct Ip {
    int family = 4; // 4 or 6
    std::array<std::uint8_t, 16> byte{};

    static Ip of(const char *text); // throws when it is no address
    Bytes bytes() const { return Bytes(reinterpret_cast<const char *>(byte.data()), family == 4 ? 4 : 16); }
    std::string str() const;
    Ip mapped() const; // ::ffff:a.b.c.d of an IPv4 address
    bool operator==(const Ip &) const = default;
};

struct SockAddr {
    sockaddr_storage storage{};
    socklen_t length = 0;
    SockAddr() = default;
    SockAddr(const Ip &ip, std::uint16_t port, unsigned scope_ifindex = 0);
    const sockaddr *get() const { return reinterpret_cast<const sockaddr *>(&storage); }
    sockaddr *get() { return reinterpret_cast<sockaddr *>(&storage); }
    Ip ip() const;
    std::uint16_t port() const;
};

Bytes be16(std::uint16_t value);
Bytes be32(std::uint32_t value);
std::uint16_t checksum(std::string_view data); // RFC 1071, in the order of the bytes

// Upper layers, checksums over the pseudo header of SRC and DST.
Bytes udp(const Ip &src, const Ip &dst, std::uint16_t sport, std::uint16_t dport, std::string_view payload);
enum TcpFlag : std::uint8_t { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
Bytes tcp(const Ip &src, const Ip &dst, std::uint16_t sport, std::uint16_t dport, unsigned flags,
          std::uint32_t seq = 1, std::uint32_t ack = 0, std::string_view payload = {});
Bytes icmp(const Ip &src, const Ip &dst, std::uint8_t type, std::uint8_t code, std::uint32_t rest,
           std::string_view payload); // ICMP or ICMPv6, by the family
Bytes echo_request(const Ip &src, const Ip &dst, std::uint16_t id, std::string_view payload);

struct IpOptions {
    std::uint8_t hops = 64;
    std::uint16_t id = 0x4c4b;
    std::uint16_t fragment = 0; // IPv4's flags and offset field as a whole
    Bytes options = {};         // IPv4 options, padded by the caller to 4 bytes
};
Bytes ip(const Ip &src, const Ip &dst, std::uint8_t protocol, std::string_view payload,
         const IpOptions &options = {});
// IPv6 fragment header: offset in units of 8 bytes.
Bytes fragment_header(std::uint8_t next, std::uint16_t offset, bool more, std::uint32_t id);

Bytes ethernet(std::string_view dst_mac, std::string_view src_mac, std::uint16_t type,
               std::string_view payload);
Bytes arp(std::uint16_t operation, std::string_view src_mac, const Ip &src, std::string_view dst_mac,
          const Ip &dst);

// A fixed number of 'x', to fill payloads.
Bytes filler(std::size_t count);

} // namespace lk::harness
