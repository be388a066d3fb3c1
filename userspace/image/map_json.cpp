// SPDX-License-Identifier: MIT
// A MapImage for machines: everything that to_text() says, keys sorted, sets by their index from 1 as there.
#include <nlohmann/json.hpp>

#include "image/map_image.h"
#include "image/map_words.h"

namespace lk {
namespace {

using Json = nlohmann::json;

Json set_number(std::size_t set) {
    return set == no_set ? Json(nullptr) : Json(set + 1);
}

Json policy_json(const lk_policy &policy) {
    Json uids = Json::array(), cgroups = Json::array();
    for (unsigned i = 0; i < policy.n_uids; ++i)
        uids.push_back(policy.uids[i]);
    for (unsigned i = 0; i < policy.n_cgroups; ++i)
        cgroups.push_back({{"id", policy.cgroups[i].id}, {"level", policy.cgroups[i].level}});
    Json out{{"flags", words::policy_flags(policy.flags)},
             {"vpn_uids", uids},
             {"vpn_cgroups", cgroups},
             {"resolvers", words::resolvers(policy)},
             {"fwmark", nullptr}};
    if (policy.flags & LK_POLICY_FWMARK)
        out["fwmark"] = {{"value", policy.fwmark}, {"mask", policy.fwmark_mask}};
    return out;
}

Json rows_json(const std::vector<GatewayRow> &rows) {
    Json out = Json::array();
    for (const auto &row : rows)
        out.push_back({{"prefix", row.prefix.str()}, {"allows", words::endpoints(row)}});
    return out;
}

} // namespace

std::string to_json(const MapImage &image) {
    Json devices = Json::array(), gateways = Json::array(), nets = Json::array();
    for (const auto &device : image.devices) {
        Json own = Json::array();
        for (unsigned i = 0; i < device.record.n_own; ++i)
            own.push_back(Address::from_abi(device.record.own[i]).str());
        devices.push_back({{"name", device.name},
                           {"ifindex", device.record.ifindex},
                           {"flags", words::device_flags(device.record.flags)},
                           {"own", own},
                           {"gateways", set_number(device.gateway_set)},
                           {"networks", set_number(device.net_set)},
                           {"policy", policy_json(device.record.policy)}});
    }
    for (const auto &set : image.gateway_sets) {
        Json boots = Json::array();
        Json services = Json::array();
        for (const auto &service : set.services)
            services.push_back(service.str());
        for (const auto &boot : set.bootstrap)
            boots.push_back(boot.str());
        gateways.push_back({{"addresses", rows_json(set.hosts)},
                            {"prefixes", rows_json(set.nets)},
                            {"bootstrap_dns", boots},
                            {"serve", services}});
    }
    for (const auto &set : image.net_sets) {
        Json rows = Json::array();
        for (const auto &row : set)
            rows.push_back({{"prefix", row.prefix.str()}, {"flags", words::net_flags(row.flags)}});
        nets.push_back(rows);
    }
    const Json out{{"uplinks", devices},
                   {"socket_hooks",
                    {{"gateways", set_number(image.host_gateway_set)},
                     {"networks", set_number(image.host_net_set)},
                     {"policy", policy_json(image.host.policy)}}},
                   {"gateways", gateways},
                   {"networks", nets}};
    // A device's name may be any bytes: for reading, a replacement character does.
    return out.dump(2, ' ', false, Json::error_handler_t::replace);
}

} // namespace lk
