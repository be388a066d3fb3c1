// SPDX-License-Identifier: MIT
#include "bench/rows.h"

#include <fmt/format.h>

namespace lk::bench {

namespace {

constexpr const char *own4 = "192.168.1.7", *own6 = "2001:db8:1::7", *link6 = "fe80::7";
constexpr std::uint32_t vpn_uid = 4242;
constexpr std::uint32_t first_gateway = 0x2d000000; // 45.0.0.0 and up

template <typename T>
T right(Result<T> result) {
    return std::move(*result);
}
Address address(const std::string &text) {
    return right(Address::parse(text));
}

std::string dotted(std::uint32_t a) {
    return fmt::format("{}.{}.{}.{}", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

World host() {
    World world;
    world.own = {{address(own4), 24}, {address(own6), 64}, {address(link6), 64}};
    world.next_hops = {address("192.168.1.1"), address("fe80::1")};
    return world;
}

World with_gateways(unsigned count) {
    World world = host();
    for (unsigned i = 0; i < count; i++)
        world.policy.gateways.push_back(right(Gateway::parse(dotted(first_gateway + i) + ":1194/udp")));
    return world;
}

// What a person would have: a few gateways in both families, a prefix, a VPN user.
World laptop_like(Action action) {
    World world = with_gateways(3);
    for (const char *text : {"198.51.100.9", "203.0.113.0/24:1194/udp", "[2001:db8:9::1]:1194/udp"})
        world.policy.gateways.push_back(right(Gateway::parse(text)));
    world.policy.vpn_users = {right(VpnUser::parse(std::to_string(vpn_uid)))};
    world.policy.action = action;
    return world;
}

} // namespace

static Plan plan_for(unsigned largest, const std::string &object) {
    Plan plan;
    auto setting = [&](const std::string &name, unsigned gateways, unsigned policies, const World &world) {
        plan.settings.push_back({name, gateways, policies, world, object});
        return plan.settings.size() - 1;
    };
    const std::string hot = dotted(first_gateway);
    struct Size {
        unsigned gateways, policies;
    };
    for (Size size : {Size{1, 1}, {100, 1}, {10'000, 1}, {100'000, 1}, {1, 10'000}, {10, 10'000}}) {
        if (size.gateways * size.policies > largest) continue;
        std::size_t at = setting(fmt::format("{}x{}", size.gateways, size.policies), size.gateways,
                                 size.policies, with_gateways(size.gateways));
        plan.rows.push_back({"hot destination",
                             at,
                             Front::none,
                             udp(own4, hot, 5000, 1194, 64).frame(false),
                             LK_GATEWAY,
                             {},
                             true});
        plan.rows.push_back({"random destinations",
                             at,
                             Front::scattered,
                             udp(own4, hot, 5000, 1194, 64).frame(false),
                             LK_GATEWAY,
                             {first_gateway, size.gateways, 0},
                             false});
    }

    // Silent: a crafted answer would change the packet that is repeated.
    const std::size_t drop = setting("reasons", 6, 1, laptop_like(Action::drop));
    const std::size_t refuse = setting("reasons, refusing", 6, 1, laptop_like(Action::refuse));
    World bare = host();
    bare.active = false;
    const std::size_t none = setting("no policy", 0, 1, bare);
    auto row = [&](lk_reason reason, const std::string &name, const Packet &packet,
                   std::size_t at = ~std::size_t{0}, Front front = Front::none) {
        plan.rows.push_back({name,
                             at == ~std::size_t{0} ? drop : at,
                             front,
                             packet.frame(false),
                             reason,
                             {0, 1, vpn_uid},
                             false});
    };
    row(LK_NO_POLICY, "no policy", udp(own4, hot, 5000, 1194), none);
    row(LK_ETHERTYPE, "unknown ethertype", raw(0x1234, Bytes(46)));
    row(LK_MALFORMED, "routing header", udp(own6, "2001:db8:9::1", 5000, 1194).with_before({{43, 8, {}}}));
    row(LK_SOURCE, "foreign source", udp("192.168.1.99", hot, 5000, 1194));
    row(LK_FRAGMENT, "unknown tail", udp(own4, "192.0.2.1", 5000, 1194, 64).tail(7));
    row(LK_DNS_NO_RESOLVER, "UDP 53", udp(own4, "192.168.1.1", 5000, 53));
    row(LK_NOT_ALLOWED, "TCP to nowhere, IPv4", tcp(own4, "192.0.2.1", 5000, 443));
    row(LK_NOT_ALLOWED, "TCP to nowhere, IPv6", tcp(own6, "2001:db8:77::1", 5000, 443));
    row(LK_NOT_ALLOWED, "UDP flood, over the limit", udp(own4, "192.0.2.1", 5000, 443), refuse);
    row(LK_NOT_ALLOWED, "TCP flood, over the limit", tcp(own4, "192.0.2.1", 5000, 443), refuse);
    row(LK_ARP, "request for the next hop", arp(own4, "192.168.1.1"));
    row(LK_LINK, "DHCPv4", udp("0.0.0.0", "255.255.255.255", 68, 67));
    row(LK_LINK, "neighbour solicitation", neighbour(135, link6, "ff02::1:ff00:1", "fe80::1"));
    row(LK_VPN_DAEMON, "VPN user to nowhere", udp(own4, "192.0.2.1", 5000, 443), drop, Front::marked);
    row(LK_GATEWAY, "address, IPv4", udp(own4, hot, 5000, 1194));
    row(LK_GATEWAY, "address, IPv6", udp(own6, "2001:db8:9::1", 5000, 1194));
    row(LK_GATEWAY, "address, TCP", tcp(own4, "198.51.100.9", 5000, 443));
    row(LK_GATEWAY, "prefix", udp(own4, "203.0.113.77", 5000, 1194));
    row(LK_LAN, "IPv4", tcp(own4, "192.168.1.20", 5000, 445));
    row(LK_LAN, "IPv6", tcp(link6, "fe80::20", 5000, 445));
    row(LK_MULTICAST, "mDNS", udp(own4, "224.0.0.251", 5353, 5353));
    return plan;
}

Plan make_plan(unsigned largest, const std::vector<std::string> &objects) {
    if (objects.empty()) return plan_for(largest, "");
    Plan all;
    for (const std::string &object : objects) {
        Plan plan = plan_for(largest, object);
        for (Row &row : plan.rows) {
            row.setting += all.settings.size();
            all.rows.push_back(row);
        }
        all.settings.insert(all.settings.end(), plan.settings.begin(), plan.settings.end());
    }
    return all;
}

} // namespace lk::bench
