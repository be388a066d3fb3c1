// SPDX-License-Identifier: MIT
#include "image/map_words.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <array>
#include <bit>
#include <string_view>

namespace lk::words {
namespace {

// Index is the bit of the enum in abi.h; the assertions hold the tables to it.
constexpr std::array<std::string_view, 18> policy_names{
    "active",       "strict",   "no-lan",    "lan-names", "no-multicast", "silent",       "gateway-addresses",
    "gateway-nets", "identity", "resolver4", "resolver6", "fwmark",       "lock-sockets", "bootstrap4",
    "bootstrap6",   "gate",     "by-packet", "serve"};
static_assert(LK_POLICY_SERVE == 1u << (policy_names.size() - 1));
constexpr std::array<std::string_view, 6> device_names{"l3",    "bond-port", "bridge-port",
                                                       "pppoe", "nets",      "more-own"};
static_assert(LK_DEV_MORE_OWN == 1u << (device_names.size() - 1));
constexpr std::array<std::string_view, 6> net_names{"lan", "on-link", "next-hop", "own", "inside", "router"};
static_assert(LK_NET_ROUTER == 1u << (net_names.size() - 1));

template <std::size_t N>
std::vector<std::string> names(std::uint32_t flags, const std::array<std::string_view, N> &table) {
    std::vector<std::string> out;
    for (; flags; flags &= flags - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(flags));
        out.push_back(bit < N ? std::string(table[bit]) : fmt::format("bit-{}", bit));
    }
    return out;
}

} // namespace

std::vector<std::string> policy_flags(std::uint32_t flags) {
    return names(flags, policy_names);
}
std::vector<std::string> device_flags(std::uint32_t flags) {
    return names(flags, device_names);
}
std::vector<std::string> net_flags(std::uint32_t flags) {
    return names(flags, net_names);
}

std::vector<std::string> endpoints(const GatewayRow &row) {
    std::vector<std::string> out;
    if (row.any) out.emplace_back("any");
    for (const auto &endpoint : row.endpoints) {
        if (endpoint.protocol == IPPROTO_ESP) {
            out.emplace_back("esp");
            continue;
        }
        const char *protocol = endpoint.protocol == IPPROTO_UDP ? "udp" : "tcp";
        out.push_back(fmt::format("{}/{}{}", protocol, endpoint.port, endpoint.exact ? "" : "?"));
    }
    return out;
}

std::vector<std::string> resolvers(const lk_policy &policy) {
    std::vector<std::string> out;
    if (policy.flags & LK_POLICY_RESOLVER4)
        out.push_back(
            fmt::format("{}:{}", Address::from_abi(policy.resolver4).str(), ntohs(policy.resolver4_port)));
    if (policy.flags & LK_POLICY_RESOLVER6)
        out.push_back(
            fmt::format("[{}]:{}", Address::from_abi(policy.resolver6).str(), ntohs(policy.resolver6_port)));
    return out;
}

} // namespace lk::words
