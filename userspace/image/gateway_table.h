// SPDX-License-Identifier: MIT
// Lays out the table in which the kernel looks up gateways with a full-length prefix: struct lk_gw_row in
// leakbpf/abi.h says what holds of it. Writes it nowhere.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "leakbpf/abi.h"

namespace lk {

struct GatewayTable {
    std::uint8_t bits = 0;       // of home; 0: there are no gateways, and no table is needed
    std::vector<lk_gw_row> rows; // LK_GW_PLACES(bits), free places all zero
};

// ROWS have different keys, and no set 0. None if they do not fit into LK_GW_MAX_BITS.
std::optional<GatewayTable> lay_out(const std::vector<lk_gw_row> &rows);

} // namespace lk
