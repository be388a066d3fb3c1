// SPDX-License-Identifier: MIT
#include "harness/bytes.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>
#include <stdexcept>

namespace lk::harness {

Ip Ip::of(const char *text) {
    Ip ip;
    ip.family = strchr(text, ':') ? 6 : 4;
    if (inet_pton(ip.family == 4 ? AF_INET : AF_INET6, text, ip.byte.data()) != 1)
        throw std::runtime_error(std::string("no address: ") + text);
    return ip;
}

std::string Ip::str() const {
    char text[INET6_ADDRSTRLEN];
    return inet_ntop(family == 4 ? AF_INET : AF_INET6, byte.data(), text, sizeof(text));
}

Ip Ip::mapped() const {
    Ip ip;
    ip.family = 6;
    ip.byte[10] = ip.byte[11] = 0xff;
    memcpy(&ip.byte[12], byte.data(), 4);
    return ip;
}

SockAddr::SockAddr(const Ip &ip, std::uint16_t port, unsigned scope_ifindex) {
    if (ip.family == 4) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        memcpy(&in.sin_addr, ip.byte.data(), 4);
        memcpy(&storage, &in, length = sizeof(in));
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        in.sin6_scope_id = scope_ifindex;
        memcpy(&in.sin6_addr, ip.byte.data(), 16);
        memcpy(&storage, &in, length = sizeof(in));
    }
}

Ip SockAddr::ip() const {
    Ip ip;
    ip.family = storage.ss_family == AF_INET ? 4 : 6;
    if (ip.family == 4)
        memcpy(ip.byte.data(), &reinterpret_cast<const sockaddr_in *>(&storage)->sin_addr, 4);
    else
        memcpy(ip.byte.data(), &reinterpret_cast<const sockaddr_in6 *>(&storage)->sin6_addr, 16);
    return ip;
}

std::uint16_t SockAddr::port() const {
    return ntohs(reinterpret_cast<const sockaddr_in *>(&storage)->sin_port); // both families have it there
}

Bytes be16(std::uint16_t value) {
    return Bytes{static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

Bytes be32(std::uint32_t value) {
    return be16(static_cast<std::uint16_t>(value >> 16)) + be16(static_cast<std::uint16_t>(value));
}

std::uint16_t checksum(std::string_view data) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < data.size(); i++) {
        auto value = static_cast<std::uint8_t>(data[i]);
        sum += i % 2 ? value : static_cast<std::uint32_t>(value) << 8;
    }
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

namespace {

// DATA with the checksum written at OFFSET.
Bytes summed(const Ip &src, const Ip &dst, std::uint8_t protocol, Bytes data, std::size_t offset) {
    Bytes pseudo = src.bytes() + dst.bytes() + be32(static_cast<std::uint32_t>(data.size())) + be32(protocol);
    std::uint16_t sum = checksum(pseudo + data);
    if (sum == 0 && protocol == IPPROTO_UDP) sum = 0xffff;
    data.replace(offset, 2, be16(sum));
    return data;
}

} // namespace

Bytes udp(const Ip &src, const Ip &dst, std::uint16_t sport, std::uint16_t dport, std::string_view payload) {
    Bytes data = be16(sport) + be16(dport) + be16(static_cast<std::uint16_t>(8 + payload.size())) + be16(0);
    return summed(src, dst, IPPROTO_UDP, data + Bytes(payload), 6);
}

Bytes tcp(const Ip &src, const Ip &dst, std::uint16_t sport, std::uint16_t dport, unsigned flags,
          std::uint32_t seq, std::uint32_t ack, std::string_view payload) {
    Bytes data = be16(sport) + be16(dport) + be32(seq) + be32(ack) +
                 be16(static_cast<std::uint16_t>(0x5000 | flags)) + be16(8192) + be32(0);
    return summed(src, dst, IPPROTO_TCP, data + Bytes(payload), 16);
}

Bytes icmp(const Ip &src, const Ip &dst, std::uint8_t type, std::uint8_t code, std::uint32_t rest,
           std::string_view payload) {
    Bytes data =
        Bytes{static_cast<char>(type), static_cast<char>(code)} + be16(0) + be32(rest) + Bytes(payload);
    if (src.family == 6) return summed(src, dst, IPPROTO_ICMPV6, data, 2);
    return data.replace(2, 2, be16(checksum(data)));
}

Bytes echo_request(const Ip &src, const Ip &dst, std::uint16_t id, std::string_view payload) {
    return icmp(src, dst, src.family == 4 ? 8 : 128, 0, static_cast<std::uint32_t>(id) << 16 | 1, payload);
}

Bytes ip(const Ip &src, const Ip &dst, std::uint8_t protocol, std::string_view payload,
         const IpOptions &options) {
    auto hops = static_cast<char>(options.hops), proto = static_cast<char>(protocol);
    if (src.family == 6)
        return be32(0x60000000) + be16(static_cast<std::uint16_t>(payload.size())) + Bytes{proto, hops} +
               src.bytes() + dst.bytes() + Bytes(payload);
    std::size_t header = 20 + options.options.size();
    Bytes data = Bytes{static_cast<char>(0x40 | header / 4), 0} +
                 be16(static_cast<std::uint16_t>(header + payload.size())) + be16(options.id) +
                 be16(options.fragment) + Bytes{hops, proto} + be16(0) + src.bytes() + dst.bytes() +
                 options.options;
    return data.replace(10, 2, be16(checksum(data))) + Bytes(payload);
}

Bytes fragment_header(std::uint8_t next, std::uint16_t offset, bool more, std::uint32_t id) {
    return Bytes{static_cast<char>(next), 0} +
           be16(static_cast<std::uint16_t>(offset << 3 | (more ? 1 : 0))) + be32(id);
}

Bytes ethernet(std::string_view dst_mac, std::string_view src_mac, std::uint16_t type,
               std::string_view payload) {
    return Bytes(dst_mac) + Bytes(src_mac) + be16(type) + Bytes(payload);
}

Bytes arp(std::uint16_t operation, std::string_view src_mac, const Ip &src, std::string_view dst_mac,
          const Ip &dst) {
    return be16(1) + be16(0x0800) + Bytes{6, 4} + be16(operation) + Bytes(src_mac) + src.bytes() +
           Bytes(dst_mac) + dst.bytes();
}

Bytes filler(std::size_t count) {
    return Bytes(count, 'x');
}

} // namespace lk::harness
