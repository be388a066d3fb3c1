// SPDX-License-Identifier: MIT
#include "cases/judges/image.h"

#include <linux/if_arp.h>

#include <algorithm>
#include <stdexcept>

namespace lk {

namespace {

constexpr int lo_ifindex = 1, master_ifindex = 11, ppp_ifindex = 12, tunnel_ifindex = 20;

Device device(int ifindex, const char *name, const char *kind, unsigned arphrd) {
    Device d;
    d.ifindex = ifindex;
    d.name = name;
    d.kind = kind;
    d.arphrd = arphrd;
    d.up = true;
    return d;
}

void give(Device &d, const std::vector<WorldAddress> &addresses) {
    for (const WorldAddress &a : addresses)
        d.addresses.push_back({a.address, a.prefix_length});
    std::sort(d.addresses.begin(), d.addresses.end());
}

} // namespace

Surrounded surroundings(const World &world) {
    Surrounded out;
    auto &devices = out.topology.devices;
    devices.push_back(device(lo_ifindex, "lo", "", ARPHRD_LOOPBACK));
    devices.back().loopback = true;

    Device uplink = device(case_ifindex, "up0", "", world.l3 ? ARPHRD_RAWIP : ARPHRD_ETHER);
    uplink.default_route = true;
    const bool port = world.bond_port || world.bridge_port;
    Device above = device(master_ifindex, "master0", world.bond_port ? "bond" : "bridge", ARPHRD_ETHER);
    if (port) uplink.master = master_ifindex;
    Device &addressed = port ? above : uplink;
    give(addressed, world.own);
    addressed.routers = world.routers;
    std::sort(addressed.routers.begin(), addressed.routers.end());
    if (world.portal_until_ns) {
        Portal &portal = out.document.portal.emplace();
        portal.until_ns = world.portal_until_ns;
        for (const Address &router : world.routers)
            portal.routers.push_back({addressed.ifindex, router});
    }
    addressed.next_hops = world.next_hops;
    std::sort(addressed.next_hops.begin(), addressed.next_hops.end());
    addressed.next_hops.erase(std::unique(addressed.next_hops.begin(), addressed.next_hops.end()),
                              addressed.next_hops.end());
    devices.push_back(uplink);
    if (port) devices.push_back(above);
    if (world.pppoe_carrier) devices.push_back(device(ppp_ifindex, "ppp0", "ppp", ARPHRD_PPP));
    Device tunnel = device(tunnel_ifindex, "tun0", "tun", ARPHRD_NONE);
    give(tunnel, world.tunnels);
    devices.push_back(tunnel);

    Scope scope;
    scope.uplinks = {"up0"};
    scope.policy = normalise(world.policy);
    if (world.active) out.document.scopes.push_back(scope);
    return out;
}

Encoded encode(const World &world, std::uint32_t &next_id) {
    const Surrounded around = surroundings(world);
    const Built built = build_image(around.document, around.topology);
    Encoded out;
    const auto row = std::find_if(built.image.devices.begin(), built.image.devices.end(),
                                  [](const DeviceRow &r) { return r.record.ifindex == case_ifindex; });
    if (row == built.image.devices.end()) {
        if (world.active) throw std::logic_error("the image has no record of the case's device");
        return out;
    }
    out.device = row->record;
    if (row->net_set != no_set) {
        out.device->net_set = next_id++;
        out.rows.add(built.image.net_sets.at(row->net_set), out.device->net_set);
    }
    if (row->gateway_set != no_set) {
        out.device->policy.gw_set = next_id++;
        out.rows.add(built.image.gateway_sets.at(row->gateway_set), out.device->policy.gw_set,
                     [&] { return next_id++; });
        out.table = lay_out(out.rows.gw).value();
        out.device->policy.gw_bits = out.table.bits;
    }
    return out;
}

} // namespace lk
