// SPDX-License-Identifier: MIT
// The knobs of Packet: each gives a changed copy.
#include <algorithm>

#include "cases/packet.h"

namespace lk {

Packet Packet::hops(std::uint8_t n) const {
    Packet p = *this;
    p.hop_limit = n;
    return p;
}

Packet Packet::proto(std::uint8_t n) const {
    Packet p = *this;
    p.protocol = n;
    return p;
}

Packet Packet::with_length(std::uint16_t n) const {
    Packet p = *this;
    p.length = n;
    return p;
}

Packet Packet::with_options(Bytes bytes) const {
    Packet p = *this;
    p.options = std::move(bytes);
    return p;
}

Packet Packet::with_before(std::vector<Extension> headers) const {
    Packet p = *this;
    p.before = std::move(headers);
    return p;
}

Packet Packet::with_after(std::vector<Extension> headers) const {
    Packet p = *this;
    p.after = std::move(headers);
    return p;
}

Packet Packet::first(std::uint32_t id) const {
    Packet p = *this;
    p.fragment_id = id;
    p.fragment_offset = 0;
    p.more_fragments = true;
    return p;
}

Packet Packet::tail(std::uint32_t id, unsigned offset) const {
    Packet p = *this;
    p.fragment_id = id;
    p.fragment_offset = offset;
    p.more_fragments = false;
    return p;
}

Packet Packet::atomic(std::uint32_t id) const {
    Packet p = *this;
    p.fragment_id = id;
    p.fragment_offset = 0;
    p.more_fragments = false;
    return p;
}

Packet Packet::payload_cut(std::size_t bytes) const {
    Packet p = *this;
    p.payload.resize(bytes);
    return p;
}

Packet Packet::patch(std::size_t at, Bytes bytes) const {
    Packet p = *this;
    p.payload.resize(std::max(p.payload.size(), at + bytes.size()));
    std::copy(bytes.begin(), bytes.end(), p.payload.begin() + static_cast<std::ptrdiff_t>(at));
    return p;
}

Packet Packet::pad(std::size_t bytes) const {
    Packet p = *this;
    p.padding.assign(bytes, 0);
    return p;
}

Packet Packet::cut(std::size_t bytes) const {
    Packet p = *this;
    p.cut_to = bytes;
    return p;
}

} // namespace lk
