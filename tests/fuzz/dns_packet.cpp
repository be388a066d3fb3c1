// SPDX-License-Identifier: MIT
#include "fuzz/dns_packet.h"

#include <algorithm>

#include "fuzz/wire.h"

namespace lk::fuzz {

namespace {

unsigned pseudo_sum(const DnsPacket &p, std::size_t length) {
    const std::size_t size = p.v6 ? 16 : 4;
    unsigned total = sum(std::span(p.from.address).first(size));
    total = sum(std::span(p.to.address).first(size), total);
    const std::array<std::uint8_t, 4> rest{0, static_cast<std::uint8_t>(p.tcp ? 6 : 17),
                                           static_cast<std::uint8_t>(length >> 8),
                                           static_cast<std::uint8_t>(length)};
    return sum(rest, total);
}

std::size_t checksum_at(bool tcp) {
    return tcp ? 16 : 6;
}

bool checksum_right(const DnsPacket &p, std::span<const std::uint8_t> upper) {
    const unsigned pseudo = pseudo_sum(p, upper.size()), field = get16(upper, checksum_at(p.tcp));
    if (p.partial) return field % 0xffff == pseudo % 0xffff;
    if (!p.tcp && field == 0) return !p.v6;
    return sum(upper, pseudo) == 0xffff;
}

} // namespace

Bytes build(const DnsPacket &p, bool l3) {
    Bytes upper;
    put16(upper, p.from.port);
    put16(upper, p.to.port);
    if (p.tcp) {
        upper.insert(upper.end(), p.tcp_header_rest.begin(), p.tcp_header_rest.end());
    } else {
        put16(upper, static_cast<unsigned>(8 + p.payload.size()));
        put16(upper, 0);
    }
    upper.insert(upper.end(), p.payload.begin(), p.payload.end());
    const std::size_t at = checksum_at(p.tcp);
    upper[at] = upper[at + 1] = 0;
    const unsigned pseudo = pseudo_sum(p, upper.size());
    unsigned field = p.partial ? pseudo : ~sum(upper, pseudo) & 0xffff;
    if (!p.partial && !p.tcp && field == 0) field = 0xffff;
    if (p.no_checksum) field = 0;
    upper[at] = static_cast<std::uint8_t>(field >> 8);
    upper[at + 1] = static_cast<std::uint8_t>(field);

    Bytes out;
    if (!l3) {
        out = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
        put16(out, p.v6 ? 0x86dd : 0x0800);
    }
    const std::uint8_t proto = p.tcp ? 6 : 17;
    if (p.v6) {
        put16(out, 0x6000u | static_cast<unsigned>(p.traffic_class) << 4);
        put16(out, 0);
        put16(out, static_cast<unsigned>(upper.size()));
        out.push_back(proto);
        out.push_back(p.hops);
        out.insert(out.end(), p.from.address.begin(), p.from.address.end());
        out.insert(out.end(), p.to.address.begin(), p.to.address.end());
    } else {
        Bytes ip{0x45, p.traffic_class};
        put16(ip, static_cast<unsigned>(20 + upper.size()));
        put16(ip, 0);
        put16(ip, 0x4000);
        ip.push_back(p.hops);
        ip.push_back(proto);
        put16(ip, 0);
        ip.insert(ip.end(), p.from.address.begin(), p.from.address.begin() + 4);
        ip.insert(ip.end(), p.to.address.begin(), p.to.address.begin() + 4);
        const unsigned check = ~sum(ip) & 0xffff;
        ip[10] = static_cast<std::uint8_t>(check >> 8);
        ip[11] = static_cast<std::uint8_t>(check);
        out.insert(out.end(), ip.begin(), ip.end());
    }
    out.insert(out.end(), upper.begin(), upper.end());
    return out;
}

std::optional<DnsPacket> read(std::span<const std::uint8_t> frame, bool l3, bool partial) {
    DnsPacket p;
    p.partial = partial;
    if (!l3) {
        if (frame.size() < 14) return std::nullopt;
        const unsigned type = get16(frame, 12);
        if (type != 0x0800 && type != 0x86dd) return std::nullopt;
        p.v6 = type == 0x86dd;
        frame = frame.subspan(14);
    } else {
        p.v6 = !frame.empty() && frame[0] >> 4 == 6;
    }
    const std::size_t header = p.v6 ? 40 : 20;
    if (frame.size() < header || frame[0] >> 4 != (p.v6 ? 6 : 4)) return std::nullopt;
    const std::size_t size = p.v6 ? 16 : 4, source = p.v6 ? 8 : 12;
    std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(source), size, p.from.address.begin());
    std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(source + size), size, p.to.address.begin());
    p.hops = frame[p.v6 ? 7 : 8];
    const unsigned proto = frame[p.v6 ? 6 : 9];
    if (proto != 6 && proto != 17) return std::nullopt;
    p.tcp = proto == 6;
    if (p.v6) {
        p.traffic_class = static_cast<std::uint8_t>(get16(frame, 0) >> 4);
        if (get16(frame, 4) + 40 != frame.size() || (get16(frame, 0) & 0xf) || get16(frame, 2))
            return std::nullopt;
    } else {
        p.traffic_class = frame[1];
        if (frame[0] != 0x45 || get16(frame, 2) != frame.size() || get16(frame, 4) ||
            get16(frame, 6) != 0x4000 || sum(frame.first(20)) != 0xffff)
            return std::nullopt;
    }
    const auto upper = frame.subspan(header);
    if (upper.size() < (p.tcp ? 20u : 8u) || !checksum_right(p, upper)) return std::nullopt;
    p.from.port = static_cast<std::uint16_t>(get16(upper, 0));
    p.to.port = static_cast<std::uint16_t>(get16(upper, 2));
    std::size_t data = 8;
    if (p.tcp) {
        data = static_cast<std::size_t>(upper[12] >> 4) * 4;
        if (data < 20 || data > upper.size()) return std::nullopt;
        p.tcp_header_rest.assign(upper.begin() + 4, upper.begin() + static_cast<std::ptrdiff_t>(data));
        p.tcp_header_rest[12] = p.tcp_header_rest[13] = 0;
    } else {
        if (get16(upper, 4) != upper.size()) return std::nullopt;
        p.no_checksum = !partial && get16(upper, 6) == 0;
    }
    p.payload.assign(upper.begin() + static_cast<std::ptrdiff_t>(data), upper.end());
    return p;
}

std::optional<Mss> mss_of(const DnsPacket &p) {
    const Bytes &h = p.tcp_header_rest;
    if (h.size() < 16 || !(h[9] & 2)) return std::nullopt; // flags are byte 13 of the header
    for (std::size_t at = 16; at < h.size();) {
        if (h[at] == 0) return std::nullopt;
        if (h[at] == 1) {
            ++at;
            continue;
        }
        if (at + 1 >= h.size() || h[at + 1] < 2 || at + h[at + 1] > h.size()) return std::nullopt;
        if (h[at] == 2 && h[at + 1] == 4)
            return Mss{static_cast<std::uint16_t>(h[at + 2] << 8 | h[at + 3]), at + 2};
        at += h[at + 1];
    }
    return std::nullopt;
}

} // namespace lk::fuzz
