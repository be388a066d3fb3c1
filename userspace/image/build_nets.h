// SPDX-License-Identifier: MIT
// Prefixes with flags as rows that need no second look, and what of an on-link prefix is the LAN.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "image/map_image.h"
#include "policy/address.h"

namespace lk {

// What one source says about a prefix. A carve-out takes LK_NET_LAN off the prefix and all in it, whoever
// gave it.
struct NetEntry {
    Prefix prefix;
    std::uint32_t flags = 0; // enum lk_net_flag
    bool carve = false;
};

// Rows in which the longest match is the whole answer, without those that would change nothing.
NetSet flatten_nets(std::vector<NetEntry> entries);

// The LAN that an on-link prefix gives (docs/policy.md, Terms), and why it gives none.
struct LanPart {
    enum class Why { is_lan, not_private, too_wide };
    std::optional<Prefix> lan;
    Why why = Why::is_lan;
};
LanPart lan_of(const Prefix &on_link);

// In one of the ranges that a LAN has its addresses from, however wide the prefix around it.
bool is_private(const Address &address);

// fe80::/64: every link has one, and it says nothing about which.
const Prefix &link_local_net();

} // namespace lk
