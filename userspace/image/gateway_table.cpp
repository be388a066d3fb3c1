// SPDX-License-Identifier: MIT
#include "image/gateway_table.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace lk {

namespace {

// In the order of their homes, each at the first place that is left: nobody can then sit nearer to home
// without somebody else sitting further off (Robin Hood hashing). Empty if one ends beyond its probes.
std::vector<lk_gw_row> try_to_place(const std::vector<lk_gw_row> &rows, std::uint32_t bits) {
    std::vector<std::uint32_t> homes(rows.size()), order(rows.size());
    std::transform(rows.begin(), rows.end(), homes.begin(),
                   [&](const lk_gw_row &row) { return lk_gw_home(row.key.set, &row.key.addr, bits); });
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return homes[a] < homes[b]; });
    std::vector<lk_gw_row> places(LK_GW_PLACES(bits));
    std::uint32_t next = 0;
    for (const auto index : order) {
        const auto place = std::max(homes[index], next);
        if (place - homes[index] >= LK_GW_PROBES) return {};
        places[place] = rows[index];
        next = place + 1;
    }
    return places;
}

} // namespace

std::optional<GatewayTable> lay_out(const std::vector<lk_gw_row> &rows) {
    if (rows.empty()) return GatewayTable{};
    // At most half full: probes stay short, and an address that is no gateway meets a free place soon.
    const auto roomy = static_cast<std::uint32_t>(std::bit_width(2 * rows.size() - 1));
    for (auto bits = std::max(roomy, LK_GW_MIN_BITS); bits <= LK_GW_MAX_BITS; ++bits)
        if (auto places = try_to_place(rows, bits); !places.empty())
            return GatewayTable{static_cast<std::uint8_t>(bits), std::move(places)};
    return {};
}

} // namespace lk
