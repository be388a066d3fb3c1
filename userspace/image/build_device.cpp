// SPDX-License-Identifier: MIT
#include "image/build_device.h"

#include <fmt/format.h>
#include <linux/if_arp.h>

#include <algorithm>

#include "image/build_nets.h"
#include "image/build_portal.h"

namespace lk {
namespace {

bool covered(const std::vector<Prefix> &prefixes, const Prefix &wanted) {
    return std::ranges::any_of(prefixes, [&](const Prefix &prefix) { return prefix.contains(wanted); });
}

std::uint32_t flags_of(const Surroundings &around, const Device &device, const Policy &policy) {
    std::uint32_t flags = 0;
    if (device.l3()) flags |= LK_DEV_L3;
    const auto *master = device.master ? around.topology.find(device.master) : nullptr;
    if (master && master->kind == "bond") flags |= LK_DEV_BOND_PORT;
    if (master && master->kind == "bridge") flags |= LK_DEV_BRIDGE_PORT;
    if (policy.pppoe && around.ppp_guarded && device.ethernet()) flags |= LK_DEV_PPPOE;
    return flags;
}

// The LAN before anything is carved out, with a notice for what was left out.
std::vector<Prefix> lan_parts(const Device &device, const Policy &policy, const Reach &reach,
                              std::vector<std::string> &notices) {
    std::vector<Prefix> lan = policy.lan;
    if (std::ranges::any_of(reach.own, [](const Address &own) { return link_local_net().contains(own); }))
        lan.push_back(link_local_net());
    for (const auto &prefix : reach.on_link) {
        const auto part = lan_of(prefix);
        if (part.lan) lan.push_back(*part.lan);
        const bool known = part.lan || covered(policy.lan, prefix) || prefix.overlaps(link_local_net());
        if (known || policy.no_lan || prefix.is_host()) continue;
        notices.push_back(
            fmt::format("{}: {} is {}, so it was left out of the LAN; add --lan {} if it is your own network",
                        device.name, prefix.str(),
                        part.why == LanPart::Why::too_wide ? "too wide for a LAN" : "not a private network",
                        prefix.str()));
    }
    return lan;
}

void tell_collisions(const Surroundings &around, const Device &device, const Policy &policy,
                     const std::vector<Prefix> &lan, const Reach &reach, std::vector<std::string> &notices) {
    for (const auto &resolver : policy.resolvers)
        if (const auto host = Prefix::host(resolver.address);
            covered(lan, host) || covered(reach.on_link, host))
            notices.push_back(
                fmt::format("the resolver {} is on the network of {}: queries to it would be refused. "
                            "Give the resolver's address inside the tunnel",
                            resolver.str(), device.name));
    for (const auto &carved : around.carved) {
        if (carved.tunnel.empty()) continue;
        const auto part =
            std::ranges::find_if(lan, [&](const Prefix &prefix) { return carved.prefix.contains(prefix); });
        if (part != lan.end())
            notices.push_back(
                fmt::format("the tunnel {} has the prefix {}, which covers the LAN {} of {}: nobody "
                            "there can be reached",
                            carved.tunnel, carved.prefix.str(), part->str(), device.name));
    }
}

NetSet nets_of(const Surroundings &around, const std::vector<Prefix> &lan, const Reach &reach,
               const std::vector<Address> &more_own) {
    std::vector<NetEntry> entries;
    entries.reserve(lan.size() + reach.on_link.size() + reach.next_hops.size() + more_own.size());
    for (const auto &prefix : lan)
        entries.push_back({prefix, LK_NET_LAN});
    for (const auto &prefix : reach.on_link)
        entries.push_back({prefix, LK_NET_ONLINK});
    for (const auto &hop : reach.next_hops)
        entries.push_back({Prefix::host(hop), LK_NET_NEXTHOP});
    for (const auto &router : portal_routers(around, reach))
        entries.push_back({Prefix::host(router), LK_NET_ROUTER});
    for (const auto &own : more_own)
        entries.push_back({Prefix::host(own), LK_NET_OWN});
    for (const auto &carved : around.carved)
        entries.push_back({carved.prefix, 0, true});
    return flatten_nets(std::move(entries));
}

} // namespace

Surroundings surroundings_of(const Document &document, const Topology &topology, const ScopePlan &plan) {
    Surroundings around{document, topology, plan, {}, Stacking(topology), false};
    for (const auto &scope : document.scopes)
        for (const auto &resolver : scope.policy.resolvers)
            around.carved.push_back({Prefix::host(resolver.address), ""});
    std::size_t ppp = 0, ppp_bare = 0;
    for (std::size_t i = 0; i < topology.devices.size(); ++i) {
        const auto &device = topology.devices[i];
        if (plan.classes[i] == DeviceClass::tunnel)
            for (const auto &address : device.addresses)
                for (const auto &prefix : {address.on_link(), Prefix::host(address.address)})
                    // Link-local addresses belong to their link: a tunnel's say nothing about the uplink's
                    // neighbours.
                    if (!link_local_net().contains(prefix)) around.carved.push_back({prefix, device.name});
        if (device.arphrd != ARPHRD_PPP || plan.classes[i] != DeviceClass::uplink) continue;
        ++ppp;
        const auto same = [&](const Guarded &guarded) { return guarded.ifindex == device.ifindex; };
        if (std::ranges::none_of(plan.guarded, same)) ++ppp_bare;
    }
    around.ppp_guarded = ppp > 0 && ppp_bare == 0;
    return around;
}

BuiltDevice build_device(const Surroundings &around, const Guarded &guarded,
                         std::vector<std::string> &notices) {
    const auto &device = *around.topology.find(guarded.ifindex);
    const auto &policy = around.document.scopes[guarded.scope].policy;
    BuiltDevice built;
    built.row.name = device.name;
    built.row.record.ifindex = static_cast<__u32>(device.ifindex);
    built.readable = device.l3() || device.ethernet();
    if (!built.readable) {
        notices.push_back(
            fmt::format("{}: frames of its link type ({}) cannot be read, so nothing may leave there",
                        device.name, device.arphrd));
        return built;
    }

    Reach reach = lk::reach(around.stacking, device.ifindex);
    std::stable_partition(reach.own.begin(), reach.own.end(), [](const Address &own) { return own.is_v4(); });
    auto &record = built.row.record;
    while (record.n_own < LK_MAX_OWN && record.n_own < reach.own.size()) {
        record.own[record.n_own] = reach.own[record.n_own].abi();
        ++record.n_own;
    }
    const std::vector<Address> more_own(reach.own.begin() + record.n_own, reach.own.end());

    const auto lan = lan_parts(device, policy, reach, notices);
    tell_collisions(around, device, policy, lan, reach, notices);
    built.nets = nets_of(around, lan, reach, more_own);
    record.flags = flags_of(around, device, policy);
    if (!built.nets.empty()) record.flags |= LK_DEV_NETS;
    if (!more_own.empty()) record.flags |= LK_DEV_MORE_OWN;
    return built;
}

NetSet build_host_nets(const Surroundings &around) {
    const Topology &topology = around.topology;
    std::vector<NetEntry> entries;
    if (around.document.portal)
        for (const Guarded &guarded : around.plan.guarded)
            for (const Address &router : portal_routers(around, reach(around.stacking, guarded.ifindex)))
                entries.push_back({Prefix::host(router), LK_NET_ROUTER});
    for (std::size_t i = 0; i < topology.devices.size(); ++i)
        for (const auto &address : topology.devices[i].addresses) {
            entries.push_back({Prefix::host(address.address), LK_NET_OWN});
            // Every link has fe80::/64: as the prefix of an inside device it would spare the router's
            // resolver too.
            if (around.plan.classes[i] == DeviceClass::inside &&
                !link_local_net().contains(address.on_link()))
                entries.push_back({address.on_link(), LK_NET_INSIDE});
        }
    return flatten_nets(std::move(entries));
}

} // namespace lk
