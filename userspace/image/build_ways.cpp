// SPDX-License-Identifier: MIT
#include "image/build_ways.h"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "image/build_nets.h"

namespace lk {
namespace {

struct Found {
    const Device *device = nullptr;
    Address source;
    std::tuple<unsigned, bool> rank{}; // the longest prefix around the resolver, the wide route
};

bool usable(const DeviceAddress &own, const Address &resolver) {
    return own.address.is_v4() == resolver.is_v4() && !own.tentative &&
           !link_local_net().contains(own.address) && own.address != resolver;
}

bool holds(const Device &device, const Address &resolver) {
    return std::ranges::any_of(device.addresses, [&](const DeviceAddress &own) {
        return usable(own, resolver) && own.on_link().contains(resolver);
    });
}

bool holds_one_of(const Device &device, const std::vector<Resolver> &resolvers, bool v4) {
    return std::ranges::any_of(resolvers, [&](const Resolver &resolver) {
        return resolver.address.is_v4() == v4 && holds(device, resolver.address);
    });
}

// Private, or of the space that carriers and overlays share (RFC 6598).
bool is_local(const Address &address) {
    const std::uint8_t shared[4] = {100, 64};
    return is_private(address) || Prefix::of(Address::from_v4(shared), 10).contains(address);
}

// Whose tunnel is it, as seen from one of a policy's resolvers? A private address says nothing in a tunnel
// whose own prefix holds another resolver: it belongs to a tunnel that is not there now.
enum class Whose { ours, another_resolvers, another_scopes };

Whose whose(const Device &device, const Address &resolver, const Policy &policy,
            const std::vector<Resolver> &of_others) {
    const bool v4 = resolver.is_v4();
    if (!is_local(resolver) || holds(device, resolver)) return Whose::ours;
    if (holds_one_of(device, policy.resolvers, v4)) return Whose::another_resolvers;
    if (holds_one_of(device, policy.resolvers, !v4)) return Whose::ours;
    const bool others = holds_one_of(device, of_others, v4) || holds_one_of(device, of_others, !v4);
    return others ? Whose::another_scopes : Whose::ours;
}

// With GUESS also by a tunnel that seems to be another resolver's of the same policy.
std::optional<Found> tunnel_to(const Address &resolver, const Policy &policy,
                               const std::vector<Resolver> &of_others, const Topology &topology,
                               const std::vector<DeviceClass> &classes, bool guess) {
    std::optional<Found> best;
    for (std::size_t i = 0; i < topology.devices.size(); ++i) {
        const auto &device = topology.devices[i];
        if (classes[i] != DeviceClass::tunnel || !device.up || !(device.l3() || device.ethernet())) continue;
        const auto owner = whose(device, resolver, policy, of_others);
        if (owner == Whose::another_scopes || (!guess && owner == Whose::another_resolvers)) continue;
        for (const auto &own : device.addresses) {
            if (!usable(own, resolver)) continue;
            const auto net = own.on_link();
            const unsigned length = net.contains(resolver) ? net.length + 1 : 0;
            Found found{&device, own.address, {length, device.default_route || device.wide_route}};
            if (!best || found.rank > best->rank) best = found;
        }
    }
    return best;
}

// The kernel sends to the resolver by this tunnel for want of a narrower route: the tunnel's own prefix holds
// it, and no other device's that is as narrow. Routes that somebody pushed are not asked.
bool is_routed(const Found &found, const Address &resolver, const Topology &topology) {
    const unsigned length = std::get<0>(found.rank);
    const auto leads_there = [&resolver, length](const DeviceAddress &own) {
        const auto net = own.on_link();
        return net.contains(resolver) && net.length + 1 >= length;
    };
    return length > 0 && std::ranges::none_of(topology.devices, [&](const Device &device) {
               return device.ifindex != found.device->ifindex && !device.loopback &&
                      std::ranges::any_of(device.addresses, leads_there);
           });
}

void add_way(lk_policy &record, const Resolver &resolver, const Found &found, const Topology &topology) {
    const bool v4 = resolver.address.is_v4();
    auto &way = v4 ? record.way4 : record.way6;
    way.resolver = resolver.address.abi();
    way.source = found.source.abi();
    way.ifindex = static_cast<__u32>(found.device->ifindex);
    way.port = htons(resolver.port);
    way.mtu = static_cast<__u16>(std::min(found.device->mtu, 0xffffu));
    way.neighbour = found.device->ethernet() ? 1 : 0;
    way.routed = is_routed(found, resolver.address, topology) ? 1 : 0;
    (v4 ? record.resolver4 : record.resolver6) = resolver.address.abi();
    (v4 ? record.resolver4_port : record.resolver6_port) = htons(resolver.port);
}

} // namespace

void add_ways(lk_policy &record, const Policy &policy, const std::vector<Resolver> &of_others,
              const Topology &topology, const std::vector<DeviceClass> &classes) {
    for (const bool guess : {false, true})
        for (const auto &resolver : policy.resolvers) {
            const auto &way = resolver.address.is_v4() ? record.way4 : record.way6;
            if (way.ifindex != 0) continue;
            if (const auto found = tunnel_to(resolver.address, policy, of_others, topology, classes, guess))
                add_way(record, resolver, *found, topology);
        }
}

void drop_ways(MapImage &image, int ifindex) {
    const auto drop = [ifindex](lk_policy &record) {
        for (auto *way : {&record.way4, &record.way6})
            if (way->ifindex == static_cast<__u32>(ifindex)) *way = {};
    };
    drop(image.host.policy);
    for (auto &row : image.devices)
        drop(row.record.policy);
}

void add_bootstrap(lk_policy &record, const GatewaySet &gateways) {
    const bool way4 = record.way4.ifindex != 0, way6 = way4 || record.way6.ifindex != 0; // IPv4 serves both
    for (const auto &boot : gateways.bootstrap) {
        if (boot.server.is_v4() && !way4) record.flags |= LK_POLICY_BOOTSTRAP4;
        if (!boot.server.is_v4() && !way6) record.flags |= LK_POLICY_BOOTSTRAP6;
    }
}

void note_tunnels(std::vector<int> &tunnels, const lk_policy &record) {
    for (const auto &way : {record.way4, record.way6}) {
        const int ifindex = static_cast<int>(way.ifindex);
        if (ifindex != 0 && std::ranges::find(tunnels, ifindex) == tunnels.end()) tunnels.push_back(ifindex);
    }
    std::ranges::sort(tunnels);
}

std::vector<std::string> note_other_tunnels(std::vector<int> &tunnels, const Topology &topology,
                                            const std::vector<DeviceClass> &classes) {
    std::vector<std::string> beyond;
    for (std::size_t i = 0; i < topology.devices.size(); ++i) {
        const auto &device = topology.devices[i];
        if (classes[i] != DeviceClass::tunnel || !(device.l3() || device.ethernet())) continue;
        if (std::ranges::find(tunnels, device.ifindex) != tunnels.end()) continue;
        if (tunnels.size() < LK_TUNNELS)
            tunnels.push_back(device.ifindex);
        else
            beyond.push_back(device.name);
    }
    std::ranges::sort(tunnels);
    return beyond;
}

} // namespace lk
