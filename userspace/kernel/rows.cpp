// SPDX-License-Identifier: MIT
#include "kernel/rows.h"

#include <arpa/inet.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "image/serve_rows.h"

namespace lk {

namespace {

lk_set_net net_key(const Prefix &prefix, std::uint32_t id) {
    return {LK_SET_BITS + prefix.mapped_length(), id, prefix.address.abi()};
}

using Endpoints = std::vector<GatewayRow::Endpoint>;

class GatewayRows {
  public:
    GatewayRows(Rows &rows, const IdSource &ids) : rows_(rows), ids_(ids) {}

    lk_gw value(const GatewayRow &row) {
        lk_gw value{};
        value.any = row.any ? 1 : 0;
        const auto inline_count = std::min<std::size_t>(row.endpoints.size(), LK_GW_ENDPOINTS);
        value.n_endpoints = static_cast<__u8>(inline_count);
        for (std::size_t i = 0; i < inline_count; ++i) {
            const auto &endpoint = row.endpoints[i];
            value.endpoints[i] = {htons(endpoint.port), endpoint.protocol,
                                  endpoint.exact ? __u8{1} : __u8{0}};
        }
        if (row.endpoints.size() > inline_count)
            value.port_set = port_set(
                {row.endpoints.begin() + static_cast<std::ptrdiff_t>(inline_count), row.endpoints.end()});
        return value;
    }

  private:
    std::uint32_t port_set(const Endpoints &endpoints) {
        if (auto known = port_sets_.find(endpoints); known != port_sets_.end()) return known->second;
        const auto id = ids_();
        // One row for each protocol and port; where both kinds of entry gave it, it counts as exact.
        std::map<std::pair<std::uint8_t, std::uint16_t>, bool> ports;
        for (const auto &endpoint : endpoints)
            ports[{endpoint.protocol, endpoint.port}] |= endpoint.exact;
        for (const auto &[port, exact] : ports) {
            rows_.gw_port_keys.push_back({id, htons(port.second), port.first, 0});
            rows_.gw_port_values.push_back(exact ? 2 : 1);
        }
        port_sets_.emplace(endpoints, id);
        return id;
    }

    Rows &rows_;
    const IdSource &ids_;
    std::map<Endpoints, std::uint32_t> port_sets_;
};

} // namespace

void Rows::add(const GatewaySet &set, std::uint32_t id, const IdSource &ids) {
    GatewayRows maker{*this, ids};
    gw.reserve(gw.size() + set.hosts.size());
    for (const auto &row : set.hosts)
        gw.push_back({{id, row.prefix.address.abi()}, maker.value(row)});
    for (const auto &row : set.nets) {
        gw_net_keys.push_back(net_key(row.prefix, id));
        gw_net_values.push_back(maker.value(row));
    }
    const auto boot = [&](const BootstrapName &row, const std::string &name, __u32 value) {
        lk_boot key{};
        key.set = id;
        key.server = row.server.abi();
        std::copy_n(name.begin(), std::min<std::size_t>(name.size(), LK_BOOT_NAME), key.name);
        boot_keys.push_back(key);
        boot_values.push_back(value);
    };
    for (std::size_t i = 0; i < set.bootstrap.size(); ++i) {
        const auto &row = set.bootstrap[i];
        if (i == 0 || set.bootstrap[i - 1].server != row.server) boot(row, {}, LK_BOOT_SERVER);
        boot(row, row.name.wire(), LK_BOOT_NAMED);
    }
    for (const auto &service : set.services)
        for (const auto &key : serve_keys_of(service, id)) {
            serve_keys.push_back(key);
            serve_values.push_back(1);
        }
}

void Rows::add(const NetSet &set, std::uint32_t id) {
    for (const auto &row : set) {
        net_keys.push_back(net_key(row.prefix, id));
        net_values.push_back(row.flags);
    }
}

std::vector<std::uint32_t> place_devices(const std::vector<DeviceRow> &devices) {
    const auto home = [&](std::size_t index) {
        return static_cast<std::uint32_t>(devices[index].record.ifindex) % LK_DEV_SLOTS;
    };
    // By home slot: who comes first there takes the first free slot, which leaves the most to those after.
    std::vector<std::size_t> order(devices.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return home(a) < home(b); });
    std::vector<bool> taken(LK_DEV_SLOTS);
    std::vector<std::uint32_t> slots(devices.size());
    for (const auto index : order) {
        std::uint32_t probe = 0;
        while (probe < LK_DEV_PROBES && taken[(home(index) + probe) % LK_DEV_SLOTS])
            ++probe;
        if (probe == LK_DEV_PROBES) return {};
        slots[index] = (home(index) + probe) % LK_DEV_SLOTS;
        taken[slots[index]] = true;
    }
    return slots;
}

} // namespace lk
