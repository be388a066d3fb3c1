// SPDX-License-Identifier: MIT
// What the kernel's maps shall hold, as one value: sorted rows, printable, comparable. Built from (Document,
// Topology) by a pure function; written by kernel/commit. Row sets are named by their place in the vectors
// here; the commit gives them ids that were never used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "leakbpf/abi.h"
#include "net/topology.h"
#include "policy/policy.h"

namespace lk {

// What an address may be talked to; see lk_gw. Endpoints sorted and unique; `any` with endpoints is usual
// (port 53).
struct GatewayRow {
    Prefix prefix;
    bool any = false;
    struct Endpoint {
        std::uint8_t protocol = 0;
        std::uint16_t port = 0; // host byte order
        bool exact = false;
        auto operator<=>(const Endpoint &) const = default;
    };
    std::vector<Endpoint> endpoints;
    bool operator==(const GatewayRow &) const = default;
};

struct GatewaySet {
    std::vector<GatewayRow> hosts;             // full-length prefixes: rows of lk_gw, sorted by address
    std::vector<GatewayRow> nets;              // rows of lk_gw_net, sorted
    std::vector<BootstrapName> bootstrap = {}; // rows of lk_boots, sorted
    std::vector<ServedPort> services = {};     // rows of lk_serves, sorted
    bool operator==(const GatewaySet &) const = default;
};

struct NetRow {
    Prefix prefix;
    std::uint32_t flags = 0; // enum lk_net_flag
    bool operator==(const NetRow &) const = default;
};
using NetSet = std::vector<NetRow>; // sorted by prefix

constexpr std::size_t no_set = static_cast<std::size_t>(-1);

struct DeviceRow {
    std::string name;                 // for people
    std::size_t gateway_set = no_set; // index into MapImage::gateway_sets
    std::size_t net_set = no_set;     // index into MapImage::net_sets
    lk_dev record{}; // epoch, net_set and policy.gw_set are zero here: the commit fills them in
};

struct MapImage {
    std::vector<GatewaySet> gateway_sets;
    std::vector<NetSet> net_sets;
    std::vector<DeviceRow> devices; // sorted by ifindex
    std::size_t host_gateway_set = no_set;
    std::size_t host_net_set = no_set;
    lk_host host{}; // epoch and the sets are zero here; netns_cookie is filled in by the commit
};

struct Built {
    MapImage image;
    std::vector<int> uplinks;         // ifindexes to attach to: those of image.devices
    std::vector<std::string> notices; // for people: LAN left out, resolver on the LAN, uplinks unguarded, ...
    std::vector<int> unguarded;       // uplinks in no scope
    std::vector<int> tunnels;         // ifindexes by which queries leave or could, to attach to; sorted
};

// Document + Topology -> image. Total: what cannot be had (an uplink of a scope that is not there now) is
// simply not in the image.
Built build_image(const Document &document, const Topology &topology);

std::string to_text(const MapImage &image); // for `check` and --dry-run
std::string to_json(const MapImage &image);

} // namespace lk
