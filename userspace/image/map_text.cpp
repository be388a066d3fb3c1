// SPDX-License-Identifier: MIT
// A MapImage for people (check, --dry-run): the same image always gives the same text.
#include <fmt/format.h>

#include <iterator>

#include "base/text.h"
#include "image/map_image.h"
#include "image/map_words.h"

namespace lk {
namespace {

std::string joined(const std::vector<std::string> &words) {
    std::string out;
    for (const auto &word : words)
        out += (out.empty() ? "" : " ") + word;
    return out.empty() ? "-" : out;
}

std::string set_name(const char *kind, std::size_t set) {
    return set == no_set ? std::string("none") : fmt::format("{} {}", kind, set + 1);
}

void add_policy(std::string &out, const lk_policy &policy) {
    const auto to = std::back_inserter(out);
    fmt::format_to(to, "    policy     {}\n", joined(words::policy_flags(policy.flags)));
    if (policy.flags & LK_POLICY_FWMARK)
        fmt::format_to(to, "    fwmark     {:#x}/{:#x}\n", policy.fwmark, policy.fwmark_mask);
    for (unsigned i = 0; i < policy.n_uids; ++i)
        fmt::format_to(to, "    vpn uid    {}\n", policy.uids[i]);
    for (unsigned i = 0; i < policy.n_cgroups; ++i)
        fmt::format_to(to, "    vpn cgroup {} at level {}\n", policy.cgroups[i].id, policy.cgroups[i].level);
    for (const auto &resolver : words::resolvers(policy))
        fmt::format_to(to, "    resolver   {}\n", resolver);
}

void add_rows(std::string &out, const std::vector<GatewayRow> &rows) {
    for (const auto &row : rows)
        fmt::format_to(std::back_inserter(out), "    {:<26} {}\n", row.prefix.str(),
                       joined(words::endpoints(row)));
}

} // namespace

std::string to_text(const MapImage &image) {
    std::string out;
    const auto to = std::back_inserter(out);
    for (const auto &device : image.devices) {
        fmt::format_to(to, "uplink {} (ifindex {})\n", device.name, device.record.ifindex);
        fmt::format_to(to, "    flags      {}\n", joined(words::device_flags(device.record.flags)));
        for (unsigned i = 0; i < device.record.n_own; ++i)
            fmt::format_to(to, "    own        {}\n", Address::from_abi(device.record.own[i]).str());
        fmt::format_to(to, "    rows       {}, {}\n", set_name("gateways", device.gateway_set),
                       set_name("networks", device.net_set));
        add_policy(out, device.record.policy);
    }
    if (image.devices.empty()) out += "no uplink\n";
    out += "socket hooks\n";
    fmt::format_to(to, "    rows       {}, {}\n", set_name("gateways", image.host_gateway_set),
                   set_name("networks", image.host_net_set));
    add_policy(out, image.host.policy);
    for (std::size_t i = 0; i < image.gateway_sets.size(); ++i) {
        const auto &set = image.gateway_sets[i];
        fmt::format_to(to, "gateways {}: {} addresses, {} prefixes\n", i + 1, grouped(set.hosts.size()),
                       grouped(set.nets.size()));
        add_rows(out, set.hosts);
        add_rows(out, set.nets);
        for (const auto &boot : set.bootstrap)
            fmt::format_to(to, "    {:<26} {}\n", boot.server.str(), "query for " + boot.name.str());
        for (const auto &service : set.services)
            fmt::format_to(to, "    {:<26} {}\n", service.str(), "answers who asks");
    }
    for (std::size_t i = 0; i < image.net_sets.size(); ++i) {
        fmt::format_to(to, "networks {}: {} prefixes\n", i + 1, grouped(image.net_sets[i].size()));
        for (const auto &row : image.net_sets[i])
            fmt::format_to(to, "    {:<26} {}\n", row.prefix.str(), joined(words::net_flags(row.flags)));
    }
    return out;
}

} // namespace lk
