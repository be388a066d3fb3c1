// SPDX-License-Identifier: MIT
// A MapImage's sets as the keys and values that the kernel's maps take. Pure: ids come from outside.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "image/map_image.h"
#include "leakbpf/abi.h"

namespace lk {

// Gives ids: each call another one.
using IdSource = std::function<std::uint32_t()>;

struct Rows {
    std::vector<lk_gw_row> gw; // to be laid out: image/gateway_table.h
    std::vector<lk_set_net> gw_net_keys;
    std::vector<lk_gw> gw_net_values;
    std::vector<lk_set_port> gw_port_keys;
    std::vector<__u32> gw_port_values;
    std::vector<lk_boot> boot_keys; // by server the row that says so, then its names
    std::vector<__u32> boot_values;
    std::vector<lk_serve_net> serve_keys;
    std::vector<__u32> serve_values;
    std::vector<lk_set_net> net_keys;
    std::vector<__u32> net_values;

    // Appends a set's rows under ID. Endpoints beyond the inline ones get a port set: rows with the same ones
    // share it.
    void add(const GatewaySet &set, std::uint32_t id, const IdSource &ids);
    void add(const NetSet &set, std::uint32_t id);
};

// The slot of each device in the half of its epoch, in the order of DEVICES; empty if one finds none
// (more than LK_DEV_SLOTS, or more than LK_DEV_PROBES that belong to the same slot).
std::vector<std::uint32_t> place_devices(const std::vector<DeviceRow> &devices);

} // namespace lk
