// SPDX-License-Identifier: MIT
#include "fuzz/random_world.h"

#include <algorithm>
#include <stdexcept>

#include "cases/packet.h"

namespace lk::fuzz {

namespace {

Address address(const char *text) {
    auto parsed = Address::parse(text);
    if (!parsed) throw std::invalid_argument(parsed.error().message);
    return *parsed;
}

const std::vector<Address> &seeds4() {
    static const std::vector<Address> all = [] {
        std::vector<Address> out;
        for (const char *text :
             {"10.0.0.1",      "10.1.2.3",      "10.42.0.2",     "10.42.7.9",   "10.255.255.254",
              "172.16.0.1",    "172.31.255.1",  "172.32.0.1",    "192.168.0.1", "192.168.1.10",
              "192.168.255.3", "192.167.1.1",   "169.254.7.7",   "100.64.3.3",  "198.51.100.10",
              "203.0.113.7",   "203.0.113.200", "9.255.255.255", "11.0.0.0",    "8.8.8.8"})
            out.push_back(address(text));
        return out;
    }();
    return all;
}

const std::vector<Address> &seeds6() {
    static const std::vector<Address> all = [] {
        std::vector<Address> out;
        for (const char *text : {"fd00:1::10",        "fd00:1:0:1::1",     "fd00:2:3:4::5",
                                 "fc00::1",           "fdff:ffff:ffff::1", "fe00::1",
                                 "fe80::10",          "fe80::1",           "fe80:0:0:1::1",
                                 "febf::1",           "fec0::1",           "2001:db8:1::10",
                                 "2001:db8:9::7",     "2001:db8:9:1::9",   "2001:db8:ffff::1",
                                 "fd42::2",           "2002:cb00:7107::1", "64:ff9b::203.0.113.7",
                                 "64:ff9b::10.0.0.1", "2002:a00:1::1"})
            out.push_back(address(text));
        return out;
    }();
    return all;
}

Address near(const Address &seed, Random &random) {
    auto bytes = seed.bytes();
    const std::size_t from = seed.is_v4() ? 12 : 0;
    if (random.chance(60)) bytes[15] = static_cast<std::uint8_t>(random.below(8) + (bytes[15] & 0xf8));
    if (random.chance(10)) {
        const std::size_t at = from + random.below(16 - from);
        bytes[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
    }
    const Address out = Address::from_v6(bytes.data());
    return out.is_v4() == seed.is_v4() ? out : seed;
}

Address any_address(Random &random, bool v4) {
    return near(v4 ? random.any(seeds4()) : random.any(seeds6()), random);
}

unsigned any_length(Random &random, bool v4) {
    if (v4)
        return random.pick(
            {8u, 12u, 15u, 16u, 17u, 20u, 23u, 24u, 25u, 28u, 30u, 31u, 32u, random.between(1, 32)});
    return random.pick({7u, 16u, 32u, 47u, 48u, 49u, 56u, 63u, 64u, 65u, 96u, 104u, 120u, 127u, 128u,
                        random.between(1, 128)});
}

Prefix any_prefix(Random &random, bool v4) {
    return Prefix::of(any_address(random, v4), any_length(random, v4));
}

std::uint16_t any_port(Random &random) {
    return random.pick<std::uint16_t>(
        {53, 53, 67, 68, 123, 137, 443, 500, 547, 853, 1194, 1900, 4500, 5353, 5355, 51820});
}

Gateway any_gateway(Random &random) {
    const bool v4 = random.chance(50);
    Gateway g;
    g.prefix = random.chance(65) ? Prefix::host(any_address(random, v4)) : any_prefix(random, v4);
    if (random.chance(8)) g.prefix = Prefix::of(address(random.pick({"2002::", "64:ff9b::"})), 96);
    if (random.chance(4)) g.prefix = Prefix::of(address("2002::"), 16);
    switch (random.below(5)) {
    case 0: break;
    case 1: g.protocol = Protocol::esp; break;
    case 2: g.port = any_port(random); break;
    case 3: g.port = any_port(random), g.protocol = Protocol::udp; break;
    case 4: g.port = any_port(random), g.protocol = Protocol::tcp; break;
    }
    return g;
}

void give_addresses(World &w, Random &random) {
    const std::size_t n = random.chance(5) ? 0 : random.below(random.chance(10) ? 24 : 6) + 1;
    for (std::size_t i = 0; i < n; ++i) {
        const bool v4 = random.chance(50);
        const Address a = any_address(random, v4);
        const bool there =
            std::any_of(w.own.begin(), w.own.end(), [&](const WorldAddress &o) { return o.address == a; });
        if (!there) w.own.push_back({a, any_length(random, v4)});
    }
    if (random.chance(70)) {
        const Address a = address("fe80::10");
        const bool there =
            std::any_of(w.own.begin(), w.own.end(), [&](const WorldAddress &o) { return o.address == a; });
        if (!there) w.own.push_back({a, 64});
    }
    for (std::size_t i = random.below(4); i-- > 0;)
        w.next_hops.push_back(any_address(random, random.chance(50)));
    for (std::size_t i = random.below(3); i-- > 0;) {
        const bool v4 = random.chance(50);
        w.tunnels.push_back({any_address(random, v4), any_length(random, v4)});
    }
}

// Services, and who has asked them: mostly somebody who may.
void give_services(World &w, Random &random) {
    if (random.chance(40)) return;
    for (std::size_t i = 1 + random.below(3); i-- > 0;) {
        ServedPort service{random.pick({Protocol::tcp, Protocol::udp}), any_port(random), {}};
        if (random.chance(30)) service.from = any_prefix(random, random.chance(50));
        w.policy.services.push_back(service);
    }
    for (std::size_t i = w.own.empty() ? 0 : random.below(5); i-- > 0;) {
        const Address own = random.any(w.own).address;
        const bool v4 = random.chance(95) ? own.is_v4() : !own.is_v4();
        const Address remote = any_address(random, v4);
        if (remote.is_v4() != own.is_v4()) continue;
        const ServedPort &service = random.any(w.policy.services);
        const std::uint16_t port = random.chance(90) ? service.port : any_port(random);
        const std::uint16_t from = random.chance(80) ? 40000 : any_port(random);
        Packet packet = service.protocol == Protocol::tcp ? tcp(remote.str(), own.str(), from, port)
                                                          : udp(remote.str(), own.str(), from, port);
        if (service.protocol == Protocol::tcp)
            packet = packet.patch(13, {random.pick<std::uint8_t>({2, 2, 2, 2, 0x10, 0x12, 0x42, 3, 6})});
        if (random.chance(5)) packet = packet.first(9);
        w.arrived.push_back(packet.frame(w.l3));
    }
}

} // namespace

World random_world(Random &random) {
    World w;
    w.l3 = random.chance(35);
    w.bond_port = random.chance(20);
    w.bridge_port = !w.bond_port && random.chance(25);
    w.pppoe_carrier = random.chance(30);
    give_addresses(w, random);
    if (random.chance(60)) {
        for (const Address &a : w.next_hops)
            if (random.chance(70)) w.routers.push_back(a);
        // Half a step of the clock away from any time that is asked about: the kernel's own clock goes on
        // meanwhile.
        const std::uint64_t steps = random.chance(20) ? 120 + random.below(4) : random.below(40);
        w.portal_until_ns = 1 + (15 * steps + 7) * 1'000'000'000ull + 500'000'000;
    }
    Policy &p = w.policy;
    for (std::size_t i = random.chance(10) ? 0 : random.below(random.chance(10) ? 200 : 24); i-- > 0;)
        p.gateways.push_back(any_gateway(random));
    if (random.chance(10)) // many ports on one address
        for (unsigned port = 1; port < 40; ++port)
            p.gateways.push_back({Prefix::host(any_address(random, true)),
                                  random.pick({Protocol::udp, Protocol::any}), any_port(random)});
    for (std::size_t i = random.below(3); i-- > 0;)
        p.resolvers.push_back({any_address(random, random.chance(50)), 53});
    if (random.chance(40))
        for (std::size_t i = 1 + random.below(4); i-- > 0;) {
            const std::string server = any_address(random, random.chance(50)).str();
            const char *names = random.pick({"=a.b", "=vpn.example.org", "=vpn.example", "=x"});
            if (auto boot = BootstrapName::parse(server + names)) p.bootstrap.push_back(*boot);
        }
    give_services(w, random);
    for (std::size_t i = random.chance(50) ? 0 : random.below(5); i-- > 0;)
        p.lan.push_back(any_prefix(random, random.chance(50)));
    if (random.chance(4)) p.lan.push_back(Prefix::of(address("0.0.0.0"), 0));
    if (random.chance(4)) p.lan.push_back(Prefix::of(address("::"), 0));
    if (random.chance(4)) p.lan.push_back(Prefix::of(address("224.0.0.0"), 4));
    if (random.chance(4)) p.lan.push_back(Prefix::of(address("ff00::"), 8));
    if (random.chance(6)) p.lan.push_back(Prefix::of(address("2002::"), 16));
    if (random.chance(6)) p.lan.push_back(Prefix::of(address("64:ff9b::"), 96));
    if (random.chance(15)) p.nat64.push_back(Prefix::of(address("64:ff9b::"), 96));
    if (random.chance(15)) p.nat64.push_back(Prefix::of(address("2001:db8:64::"), 96));
    if (random.chance(60)) p.vpn_users.push_back({900, "900"});
    p.strict = random.chance(30);
    if (random.chance(50)) p.vpn_mark = Fwmark{0x51, random.pick({0xffu, 0xffffffffu, 0x51u})};
    p.no_lan = random.chance(20);
    p.lan_names = random.chance(30);
    p.no_multicast = random.chance(20);
    p.pppoe = random.chance(30);
    p.action = random.chance(20) ? Action::drop : Action::refuse;
    return w;
}

} // namespace lk::fuzz
