// SPDX-License-Identifier: MIT
// The kernel's rows keep IPv4 as ::ffff:0:0/96 and match bytes, so an IPv6 row like ::/1 would answer for all
// of IPv4. Private to the image builder.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "policy/address.h"

namespace lk {

constexpr unsigned v4_space_bits = 96;

// The first LENGTH bits of ::ffff:0:0, the last of them turned over if BESIDE.
inline Address along_v4_space(unsigned length, bool beside) {
    std::array<std::uint8_t, 16> bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0};
    for (unsigned bit = length; bit < 128; ++bit)
        bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> (bit % 8)));
    if (beside) bytes[(length - 1) / 8] ^= static_cast<std::uint8_t>(0x80u >> ((length - 1) % 8));
    return Address::from_v6(bytes.data());
}

inline bool swallows_v4(const Prefix &prefix) {
    return !prefix.address.is_v4() && prefix.length < v4_space_bits &&
           prefix.address == along_v4_space(prefix.length, false);
}

// Rows that swallow IPv4 give way to the parts of them beside it, each with what the narrowest such row says
// there. ROWS: IPv6 only, sorted by prefix, the longest match the whole answer; so they are afterwards.
template <typename Row>
void keep_off_v4(std::vector<Row> &rows) {
    std::vector<Row> wide;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(wide),
                 [](const Row &row) { return swallows_v4(row.prefix); });
    if (wide.empty()) return;
    std::erase_if(rows, [](const Row &row) { return swallows_v4(row.prefix); });

    const auto before = [](const Row &row, const Prefix &prefix) { return row.prefix < prefix; };
    std::vector<Row> parts;
    std::size_t narrowest = 0; // wide rows contain one another: sorted by length
    for (unsigned length = wide[0].prefix.length + 1; length <= v4_space_bits; ++length) {
        while (narrowest + 1 < wide.size() && wide[narrowest + 1].prefix.length < length)
            ++narrowest;
        Row part = wide[narrowest];
        part.prefix = Prefix::of(along_v4_space(length, true), length);
        const auto at = std::lower_bound(rows.begin(), rows.end(), part.prefix, before);
        if (at == rows.end() || at->prefix != part.prefix) parts.push_back(std::move(part));
    }
    rows.insert(rows.end(), parts.begin(), parts.end());
    std::sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) { return a.prefix < b.prefix; });
}

} // namespace lk
