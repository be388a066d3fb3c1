// SPDX-License-Identifier: MIT
// Numbers and checksums as they are on the wire, for the packets of these tests.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lk::fuzz {

inline void put16(std::vector<std::uint8_t> &out, unsigned value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

inline unsigned get16(std::span<const std::uint8_t> in, std::size_t at) {
    return static_cast<unsigned>(in[at] << 8 | in[at + 1]);
}

// RFC 1071, the slow way: big-endian words, folded at once.
inline unsigned sum(std::span<const std::uint8_t> bytes, unsigned start = 0) {
    unsigned total = start;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        total += static_cast<unsigned>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
        total = (total & 0xffff) + (total >> 16);
    }
    return total;
}

} // namespace lk::fuzz
