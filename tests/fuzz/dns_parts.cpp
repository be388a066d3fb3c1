// SPDX-License-Identifier: MIT
#include "fuzz/dns_parts.h"

#include <algorithm>

#include "fuzz/wire.h"

namespace lk::fuzz {

namespace {

std::ptrdiff_t at(std::size_t place) {
    return static_cast<std::ptrdiff_t>(place);
}

std::size_t link_bytes(bool l3) {
    return l3 ? 0 : 14;
}

void set16(Bytes &bytes, std::size_t place, std::size_t value) {
    bytes[place] = static_cast<std::uint8_t>(value >> 8);
    bytes[place + 1] = static_cast<std::uint8_t>(value);
}

void finish_ipv4(Bytes &frame, std::size_t ip) {
    set16(frame, ip + 2, frame.size() - ip);
    set16(frame, ip + 10, 0);
    set16(frame, ip + 10, ~sum(std::span(frame).subspan(ip, 20)) & 0xffff);
}

struct Part {
    Bytes headers, payload; // the headers as of a whole packet of IPv6, as they are of IPv4
    unsigned proto = 0, id = 0, offset = 0;
    bool more = false;
};

std::optional<Part> read_part(const Bytes &frame, bool l3) {
    const std::size_t ip = link_bytes(l3);
    const bool v6 = frame.size() > ip && frame[ip] >> 4 == 6;
    if (frame.size() < ip + (v6 ? 48 : 20)) return std::nullopt;
    Part part;
    std::size_t end = ip + (v6 ? 40 : 20);
    part.headers.assign(frame.begin(), frame.begin() + at(end));
    if (v6) {
        if (frame[ip + 6] != 44 || get16(frame, ip + 4) + 40 + ip != frame.size()) return std::nullopt;
        part.proto = frame[end];
        part.offset = get16(frame, end + 2) & 0xfff8;
        part.more = frame[end + 3] & 1;
        part.id = get16(frame, end + 4) << 16 | get16(frame, end + 6);
        part.headers[ip + 6] = frame[end];
        set16(part.headers, ip + 4, 0);
        end += 8;
    } else {
        if (get16(frame, ip + 2) + ip != frame.size() || sum(std::span(frame).subspan(ip, 20)) != 0xffff)
            return std::nullopt;
        part.proto = frame[ip + 9];
        part.offset = (get16(frame, ip + 6) & 0x1fff) * 8;
        part.more = frame[ip + 6] & 0x20;
        part.id = get16(frame, ip + 4);
        set16(part.headers, ip + 2, 0);
        set16(part.headers, ip + 4, 0);
        set16(part.headers, ip + 6, 0x4000);
        set16(part.headers, ip + 10, 0);
    }
    part.payload.assign(frame.begin() + at(end), frame.end());
    return part;
}

} // namespace

std::vector<Bytes> split(const Bytes &whole, bool l3, std::size_t cut, std::uint16_t id) {
    const std::size_t ip = link_bytes(l3);
    const bool v6 = whole[ip] >> 4 == 6;
    const std::size_t header = ip + (v6 ? 40 : 20);
    std::vector<Bytes> parts;
    for (const bool first : {true, false}) {
        Bytes part(whole.begin(), whole.begin() + at(header));
        const std::size_t offset = first ? 0 : cut;
        if (v6) {
            const std::uint8_t next = part[ip + 6];
            part[ip + 6] = 44;
            part.insert(part.end(), {next, 0, 0, 0, 0, 0, 0, 0});
            set16(part, header + 2, offset | (first ? 1u : 0u));
            set16(part, header + 6, id);
        } else {
            set16(part, ip + 4, id);
            set16(part, ip + 6, offset / 8 | (first ? 0x2000u : 0u));
        }
        part.insert(part.end(), whole.begin() + at(header + offset),
                    first ? whole.begin() + at(header + cut) : whole.end());
        if (v6)
            set16(part, ip + 4, part.size() - ip - 40);
        else
            finish_ipv4(part, ip);
        parts.push_back(std::move(part));
    }
    return parts;
}

std::optional<Bytes> join(const Bytes &first, const Bytes &last, bool l3) {
    const auto head = read_part(first, l3), tail = read_part(last, l3);
    if (!head || !tail || head->headers != tail->headers || head->id != tail->id || !head->more ||
        tail->more || head->offset != 0 || tail->offset != head->payload.size() || head->proto != tail->proto)
        return std::nullopt;
    Bytes whole = head->headers;
    whole.insert(whole.end(), head->payload.begin(), head->payload.end());
    whole.insert(whole.end(), tail->payload.begin(), tail->payload.end());
    const std::size_t ip = link_bytes(l3);
    if (whole[ip] >> 4 == 6)
        set16(whole, ip + 4, whole.size() - ip - 40);
    else
        finish_ipv4(whole, ip);
    return whole;
}

Bytes build_error(const IcmpError &error, const Bytes &packet, bool l3) {
    const std::size_t ip = link_bytes(l3);
    Bytes icmp{error.type, error.code};
    put16(icmp, 0);
    put16(icmp, error.rest >> 16);
    put16(icmp, error.rest);
    const std::size_t most = std::min<std::size_t>(packet.size(), ip + (error.v6 ? 1232 : 548));
    icmp.insert(icmp.end(), packet.begin() + at(ip), packet.begin() + at(most));
    const std::size_t size = error.v6 ? 16 : 4;
    unsigned total = 0;
    if (error.v6) {
        total = sum(std::span(error.from.address).first(size));
        total = sum(std::span(error.to.address).first(size), total) + 58 + static_cast<unsigned>(icmp.size());
    }
    set16(icmp, 2, ~sum(icmp, total) & 0xffff);

    Bytes out(packet.begin(), packet.begin() + at(ip));
    if (error.v6) {
        put16(out, 0x6000);
        put16(out, 0);
        put16(out, static_cast<unsigned>(icmp.size()));
        out.insert(out.end(), {58, 64});
    } else {
        out.insert(out.end(), {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 1, 0, 0});
    }
    out.insert(out.end(), error.from.address.begin(), error.from.address.begin() + at(size));
    out.insert(out.end(), error.to.address.begin(), error.to.address.begin() + at(size));
    out.insert(out.end(), icmp.begin(), icmp.end());
    if (!error.v6) finish_ipv4(out, ip);
    return out;
}

std::optional<IcmpError> read_error(std::span<const std::uint8_t> frame, bool l3) {
    const std::size_t ip = link_bytes(l3);
    if (frame.size() < ip + 56) return std::nullopt;
    IcmpError error;
    error.v6 = frame[ip] >> 4 == 6;
    const std::size_t header = error.v6 ? 40 : 20, size = error.v6 ? 16 : 4, source = error.v6 ? 8 : 12;
    if (!l3 && get16(frame, 12) != (error.v6 ? 0x86ddu : 0x0800u)) return std::nullopt;
    frame = frame.subspan(ip);
    if (frame.size() < 2 * header + 16) return std::nullopt;
    const auto addresses = [&](std::span<const std::uint8_t> from, Peer &a, Peer &b) {
        std::copy_n(from.begin() + at(source), size, a.address.begin());
        std::copy_n(from.begin() + at(source + size), size, b.address.begin());
    };
    addresses(frame, error.from, error.to);
    const auto icmp = frame.subspan(header), quote = icmp.subspan(8), upper = quote.subspan(header);
    unsigned pseudo = 0;
    if (error.v6) {
        if (frame[6] != 58 || get16(frame, 4) + 40 != frame.size()) return std::nullopt;
        pseudo = sum(std::span(error.from.address).first(size));
        pseudo =
            sum(std::span(error.to.address).first(size), pseudo) + 58 + static_cast<unsigned>(icmp.size());
    } else if (frame[0] != 0x45 || frame[9] != 1 || get16(frame, 2) != frame.size() ||
               sum(frame.first(20)) != 0xffff || sum(quote.first(20)) != 0xffff) {
        return std::nullopt;
    }
    if (sum(icmp, pseudo) != 0xffff) return std::nullopt;
    error.type = icmp[0];
    error.code = icmp[1];
    error.rest = get16(icmp, 4) << 16 | get16(icmp, 6);
    addresses(quote, error.quoted_from, error.quoted_to);
    error.quoted_tcp = quote[error.v6 ? 6 : 9] == 6;
    error.quoted_hops = quote[error.v6 ? 7 : 8];
    error.quoted_from.port = static_cast<std::uint16_t>(get16(upper, 0));
    error.quoted_to.port = static_cast<std::uint16_t>(get16(upper, 2));
    std::copy_n(upper.begin() + 4, 4, error.quoted_upper.begin());
    return error;
}

} // namespace lk::fuzz
