// SPDX-License-Identifier: MIT
#include <algorithm>
#include <stdexcept>

#include "cases/table.h"

namespace lk {

namespace {

template <typename T>
T must(Result<T> result) {
    if (!result) throw std::invalid_argument(result.error().message);
    return std::move(*result);
}

WorldAddress at(const char *text, unsigned length) {
    return {must(Address::parse(text)), length};
}

World make_laptop() {
    World w;
    w.own = {at("192.168.1.10", 24), at("198.51.100.10", 24), at("fd00:1::10", 64), at("2001:db8:1::10", 64),
             at("fe80::10", 64)};
    w.next_hops = {must(Address::parse("192.168.1.1")), must(Address::parse("fe80::1")),
                   must(Address::parse("203.0.113.1"))};
    w.tunnels = {at("10.42.0.2", 24), at("fd42::2", 64)};
    for (const char *text :
         {"203.0.113.7", "203.0.113.8:1194/udp", "203.0.113.9:443", "203.0.113.10/esp", "203.0.113.53:53/udp",
          "203.0.113.128/26:500/udp", "203.0.113.140:4500/udp", "198.51.100.77:1194/udp", "2001:db8:9::7",
          "[2001:db8:9::8]:1194/udp", "[2001:db8:9::9]:443", "2001:db8:9::10/esp", "[2001:db8:9::53]:53/udp",
          "[2001:db8:9:1::/64]:500/udp", "[2001:db8:9:1::140]:4500/udp", "[2001:db8:1::77]:1194/udp"})
        w.policy.gateways.push_back(must(Gateway::parse(text)));
    std::sort(w.policy.gateways.begin(), w.policy.gateways.end());
    w.policy.resolvers = {must(Resolver::parse("10.42.0.1")), must(Resolver::parse("fd42::1"))};
    w.policy.vpn_users = {VpnUser{900, "900"}};
    return w;
}

} // namespace

const World &laptop() {
    static const World world = make_laptop();
    return world;
}

World with(void (*change)(World &)) {
    World world = laptop();
    change(world);
    return world;
}

const std::vector<Family> &families() {
    static const std::vector<Family> all{
        {"v4",
         "192.168.1.10",
         "198.51.100.10",
         "0.0.0.0",
         "203.0.113.99",
         "10.42.0.2",
         "192.168.1.20",
         "192.168.1.1",
         "198.51.100.20",
         "198.51.100.77",
         "203.0.113.200",
         "203.0.113.7",
         "203.0.113.8",
         "203.0.113.9",
         "203.0.113.10",
         "203.0.113.53",
         "203.0.113.191",
         "203.0.113.192",
         "203.0.113.140",
         "10.42.0.1",
         "239.255.255.250",
         "224.0.0.251",
         "224.0.0.252"},
        {"v6",
         "fd00:1::10",
         "2001:db8:1::10",
         "::",
         "2001:db8:bad::1",
         "fd42::2",
         "fd00:1::20",
         "fe80::1",
         "2001:db8:1::20",
         "2001:db8:1::77",
         "2001:db8:ffff::200",
         "2001:db8:9::7",
         "2001:db8:9::8",
         "2001:db8:9::9",
         "2001:db8:9::10",
         "2001:db8:9::53",
         "2001:db8:9:1:ffff:ffff:ffff:ffff",
         "2001:db8:9:2::",
         "2001:db8:9:1::140",
         "fd42::1",
         "ff02::c",
         "ff02::fb",
         "ff02::1:3"},
    };
    return all;
}

} // namespace lk
