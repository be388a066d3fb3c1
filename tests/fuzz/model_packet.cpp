// SPDX-License-Identifier: MIT
#include "fuzz/model_packet.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace lk::model {

namespace {

using Bytes = std::span<const std::uint8_t>;

std::uint16_t be16(Bytes b, std::size_t at) {
    return static_cast<std::uint16_t>(b[at] << 8 | b[at + 1]);
}

std::uint32_t be32(Bytes b, std::size_t at) {
    return static_cast<std::uint32_t>(be16(b, at)) << 16 | be16(b, at + 2);
}

Ip ip4(Bytes b, std::size_t at) {
    Ip out{true, {}};
    std::copy_n(b.begin() + static_cast<std::ptrdiff_t>(at), 4, out.bytes.begin());
    return out;
}

Ip ip6(Bytes b, std::size_t at) {
    Ip out{false, {}};
    std::copy_n(b.begin() + static_cast<std::ptrdiff_t>(at), 16, out.bytes.begin());
    return out;
}

const Net &mapped() {
    static const Net prefix = net("::ffff:0:0", 96);
    return prefix;
}

// False: malformed. `payload` is what the IP header says is left.
bool read_upper(Packet &p, Bytes payload, bool v4) {
    const std::size_t size = payload.size();
    switch (p.protocol) {
    case 6: { // TCP
        if (size < 20) return false;
        const std::size_t offset_bytes = static_cast<std::size_t>(payload[12] >> 4) * 4;
        if (offset_bytes < 20 || offset_bytes > size) return false;
        break;
    }
    case 17: { // UDP
        if (size < 8) return false;
        const std::size_t length = be16(payload, 4);
        if (length < 8) return false;
        if (p.shape != Shape::first && length > size) return false;
        break;
    }
    case 1: // ICMP
        if (v4 && size < 8) return false;
        break;
    case 58: // ICMPv6
        if (v4) break;
        if (size < 8) return false;
        p.type = payload[0];
        if (p.type == 134 && size < 16) return false;
        if (p.type == 135 || p.type == 136) {
            if (size < 24) return false;
            p.target = ip6(payload, 8);
            if (mapped().contains(p.target)) return false;
        }
        break;
    case 2:   // IGMP
    case 33:  // DCCP
    case 132: // SCTP
    case 136: // UDP-Lite
        if (size < 8) return false;
        break;
    default: break;
    }
    if (p.tcp_or_udp()) {
        p.source_port = be16(payload, 0);
        p.port = be16(payload, 2);
    }
    return true;
}

} // namespace

bool Net::contains(const Ip &other) const {
    if (other.v4 != base.v4) return false;
    for (unsigned bit = 0; bit < length; ++bit) {
        const unsigned shift = 7 - bit % 8;
        if ((other.bytes[bit / 8] >> shift & 1) != (base.bytes[bit / 8] >> shift & 1)) return false;
    }
    return true;
}

Ip ip(const Address &address) {
    const auto &raw = address.bytes();
    return address.is_v4() ? ip4(raw, 12) : ip6(raw, 0);
}

Ip ip(const char *text) {
    Ip out;
    out.v4 = std::strchr(text, ':') == nullptr;
    inet_pton(out.v4 ? AF_INET : AF_INET6, text, out.bytes.data());
    return out;
}

Net net(const Address &address, unsigned length) {
    return {ip(address), length};
}
Net net(const char *text, unsigned length) {
    return {ip(text), length};
}

std::optional<Link> read_link(bool l3, Bytes frame) {
    Link link;
    if (l3) {
        if (frame.empty()) return std::nullopt;
        const unsigned version = frame[0] >> 4;
        if (version != 4 && version != 6) return std::nullopt;
        link.type = version == 4 ? 0x0800 : 0x86dd;
        link.rest = frame;
        return link;
    }
    if (frame.size() < 14) return std::nullopt;
    std::size_t at = 12;
    link.type = be16(frame, at);
    for (int tags = 0; tags < 2 && (link.type == 0x8100 || link.type == 0x88a8); ++tags) {
        if (frame.size() < at + 6) return std::nullopt;
        at += 4;
        link.type = be16(frame, at);
        link.tagged = true;
    }
    link.rest = frame.subspan(at + 2);
    return link;
}

std::optional<Arp> read_arp(Bytes rest) {
    if (rest.size() < 28) return std::nullopt;
    if (be16(rest, 0) != 1 || be16(rest, 2) != 0x0800 || rest[4] != 6 || rest[5] != 4) return std::nullopt;
    if (be16(rest, 6) != 1 && be16(rest, 6) != 2) return std::nullopt;
    return Arp{ip4(rest, 14), ip4(rest, 24)};
}

std::optional<Packet> read_ipv4(Bytes rest) {
    if (rest.size() < 20 || rest[0] >> 4 != 4) return std::nullopt;
    const std::size_t header = static_cast<std::size_t>(rest[0] & 15) * 4;
    if (header < 20 || header > rest.size()) return std::nullopt;
    std::size_t total = be16(rest, 2);
    if (total == 0 && rest.size() > 65535) total = rest.size();
    if (total < header || total > rest.size()) return std::nullopt;

    Packet p;
    p.protocol = p.fragment_protocol = rest[9];
    if (header > 20) {
        const bool router_alert =
            header == 24 && rest[20] == 0x94 && rest[21] == 4 && rest[22] == 0 && rest[23] == 0;
        if (p.protocol != 2 || !router_alert) return std::nullopt;
    }
    p.source = ip4(rest, 12);
    p.destination = ip4(rest, 16);
    p.hop_limit = rest[8];
    p.fragment_id = be16(rest, 4);
    const unsigned offset = be16(rest, 6) & 0x1fff;
    const bool more = be16(rest, 6) & 0x2000;
    p.shape = offset != 0 ? Shape::tail : more ? Shape::first : Shape::whole;
    if (p.shape == Shape::tail) return p;
    p.to_the_end_of_the_frame = rest.subspan(header);
    if (!read_upper(p, rest.subspan(header, total - header), true)) return std::nullopt;
    return p;
}

std::optional<Packet> read_ipv6(Bytes rest) {
    if (rest.size() < 40 || rest[0] >> 4 != 6) return std::nullopt;
    std::size_t length = be16(rest, 4);
    if (length == 0 && rest.size() > 65575) length = rest.size() - 40;
    if (length > rest.size() - 40) return std::nullopt;

    Packet p;
    p.source = ip6(rest, 8);
    p.destination = ip6(rest, 24);
    p.hop_limit = rest[7];
    if (mapped().contains(p.source) || mapped().contains(p.destination)) return std::nullopt;

    Bytes left = rest.subspan(40, length);
    std::uint8_t next = rest[6];
    std::size_t headers = 0, header_bytes = 0;
    bool fragment_seen = false;
    for (;; ++headers) {
        if (next == 43 || next == 135 || next == 139 || next == 140 || next == 253 || next == 254)
            return std::nullopt;
        if (next != 0 && next != 60 && next != 44 && next != 51) break; // the upper layer
        if (headers == 8) return std::nullopt;
        if (next == 0 && headers != 0) return std::nullopt;
        if (next == 44 && fragment_seen) return std::nullopt;
        if (left.size() < 8) return std::nullopt; // no header is shorter
        std::size_t size = 8;
        if (next == 0 || next == 60) size = (static_cast<std::size_t>(left[1]) + 1) * 8;
        if (next == 51) size = (static_cast<std::size_t>(left[1]) + 2) * 4;
        header_bytes += size;
        p.dressed = true;
        if (size > left.size() || header_bytes > 512) return std::nullopt;
        if (next == 44) {
            fragment_seen = true;
            p.fragment_protocol = left[0];
            p.fragment_id = be32(left, 4);
            const unsigned offset = be16(left, 2) >> 3;
            const bool more = left[3] & 1;
            p.shape = offset != 0 ? Shape::tail : more ? Shape::first : Shape::whole;
            if (p.shape == Shape::tail) return p;
        }
        next = left[0];
        left = left.subspan(size);
    }
    p.protocol = next;
    p.to_the_end_of_the_frame = rest.subspan(40 + header_bytes);
    if (!read_upper(p, left, false)) return std::nullopt;
    return p;
}

} // namespace lk::model
