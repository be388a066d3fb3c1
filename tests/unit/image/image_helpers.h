// SPDX-License-Identifier: MIT
// Topologies and policies by hand, and lookups as the kernel does them, for the tests of the image builder.
#pragma once

#include <gtest/gtest.h>
#include <linux/if_arp.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "image/map_image.h"
#include "image/native_maps.h"

namespace lk::test {

inline Address addr(const std::string &text) {
    auto parsed = Address::parse(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : Address{};
}

inline Prefix net(const std::string &text) {
    auto parsed = Prefix::parse(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : Prefix{};
}

// "192.168.1.5/24" with its host bits, as an interface has it.
inline DeviceAddress interface_address(const std::string &text) {
    const auto slash = text.find('/');
    return {addr(text.substr(0, slash)), static_cast<unsigned>(std::stoul(text.substr(slash + 1)))};
}

// As bpf/gateway.h does it, said another way: the row with this key within its probes; null: none.
inline const lk_gw *find(const GatewayTable &table, const lk_set_addr &key) {
    if (table.rows.empty()) return nullptr;
    const auto home = lk_gw_home(key.set, &key.addr, table.bits);
    for (const auto &row : std::span{table.rows}.subspan(home, LK_GW_PROBES))
        if (std::memcmp(&row.key, &key, sizeof(key)) == 0) return &row.gw;
    return nullptr;
}

inline Device device(int ifindex, const std::string &name, const std::vector<std::string> &addresses = {},
                     const std::string &kind = "") {
    Device made;
    made.ifindex = ifindex;
    made.name = name;
    made.kind = kind;
    made.arphrd = kind == "wireguard" ? ARPHRD_NONE : ARPHRD_ETHER;
    made.up = true;
    for (const auto &address : addresses)
        made.addresses.push_back(interface_address(address));
    std::sort(made.addresses.begin(), made.addresses.end());
    return made;
}

inline Topology topology(std::vector<Device> devices) {
    std::sort(devices.begin(), devices.end(),
              [](const Device &a, const Device &b) { return a.ifindex < b.ifindex; });
    return {std::move(devices)};
}

inline Policy policy(const std::vector<std::string> &gateways) {
    Policy made;
    for (const auto &text : gateways) {
        auto gateway = Gateway::parse(text);
        EXPECT_TRUE(gateway) << text;
        if (gateway) made.gateways.push_back(*gateway);
    }
    return normalise(made);
}

inline Document document(const std::vector<std::string> &uplinks, const Policy &policy) {
    return {{Scope{uplinks, true, {}, policy}}};
}

inline const DeviceRow *row_of(const MapImage &image, const std::string &name) {
    for (const auto &row : image.devices)
        if (row.name == name) return &row;
    return nullptr;
}

// The flags that the kernel would find for an address on a device: by bytes, longest match.
inline std::uint32_t flags_at(const MapImage &image, const std::string &name, const std::string &address) {
    const NativeMaps maps(image);
    const auto *row = row_of(image, name);
    if (!row || row->net_set == no_set) return 0;
    const lk_set_net key{LK_SET_BITS + 128, static_cast<__u32>(row->net_set + 1), addr(address).abi()};
    const auto *flags = maps.maps()->net(maps.maps()->self, &key);
    return flags ? *flags : 0;
}

// Few distinct bits, so that random prefixes contain one another often. Close to ::ffff:0:0/96 now and then.
template <typename Random>
Address crowded_address(Random &random) {
    std::array<std::uint8_t, 16> bytes{};
    switch (random() % 4) {
    case 0:
        bytes[0] = random() % 2 ? 10 : 138;
        bytes[1] = static_cast<std::uint8_t>(random() % 4);
        bytes[3] = static_cast<std::uint8_t>(random() % 4);
        return Address::from_v4(bytes.data());
    case 1: // an IPv6 neighbour of the IPv4 space
        bytes[10] = random() % 4 ? 0xff : 0xfe;
        bytes[11] = static_cast<std::uint8_t>(0xfc + random() % 3); // never 0xff
        bytes[15] = static_cast<std::uint8_t>(random() % 4);
        return Address::from_v6(bytes.data());
    default:
        bytes[0] = random() % 2 ? 0x20 : 0;
        bytes[7] = static_cast<std::uint8_t>(random() % 4);
        bytes[15] = static_cast<std::uint8_t>(random() % 4);
        return Address::from_v6(bytes.data());
    }
}

template <typename Random>
Prefix crowded_prefix(Random &random, unsigned shortest) {
    const Address address = crowded_address(random);
    const unsigned spread = address.width() + 1 - shortest;
    return random() % 3 ? Prefix::of(address, shortest + static_cast<unsigned>(random() % spread))
                        : Prefix::host(address);
}

} // namespace lk::test
