// SPDX-License-Identifier: MIT
#include "render/names.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>

namespace lk {

namespace {

constexpr std::array<std::string_view, LK_VERDICTS> verdicts{"drop", "refuse", "pass", "rewrite"};
constexpr std::array<std::string_view, LK_REASONS> reasons{
    "no-policy",   "ethertype", "malformed", "source",       "fragment",        "dns",
    "not-allowed", "bypass",    "arp",       "link",         "vpn-daemon",      "gateway",
    "served",      "lan",       "multicast", "out-of-scope", "dns-no-resolver", "dns-no-tunnel",
    "dns-form",    "dns-ports", "dns-flow",  "dns-size",     "bootstrap-dns",   "portal"};
constexpr std::array<std::string_view, LK_HOOKS> hooks{"uplink", "connect4", "connect6", "setsockopt",
                                                       "lsm",    "tunnel",   "gate"};

// A value without a word would be an empty one at the table's end.
template <std::size_t size>
constexpr bool complete(const std::array<std::string_view, size> &table) {
    return std::ranges::none_of(table, [](std::string_view word) { return word.empty(); });
}
static_assert(complete(verdicts) && complete(reasons) && complete(hooks));
static_assert(reasons[LK_NO_POLICY] == "no-policy" && reasons[LK_BYPASS] == "bypass" &&
              reasons[LK_DNS_FLOW] == "dns-flow" && verdicts[LK_REWRITE] == "rewrite" &&
              hooks[LK_HOOK_TUNNEL] == "tunnel" && hooks[LK_HOOK_GATE] == "gate");

template <std::size_t size>
std::string_view word(const std::array<std::string_view, size> &table, unsigned number) {
    return number < size ? table[number] : "?";
}

} // namespace

std::string_view verdict_name(unsigned verdict) {
    return word(verdicts, verdict);
}
std::string_view reason_name(unsigned reason) {
    return word(reasons, reason);
}
std::string_view hook_name(unsigned hook) {
    return word(hooks, hook);
}

std::string protocol_name(std::uint8_t protocol) {
    switch (protocol) {
    case IPPROTO_ICMP: return "icmp";
    case IPPROTO_IGMP: return "igmp";
    case IPPROTO_TCP: return "tcp";
    case IPPROTO_UDP: return "udp";
    case IPPROTO_GRE: return "gre";
    case IPPROTO_ESP: return "esp";
    case IPPROTO_ICMPV6: return "icmpv6";
    case IPPROTO_SCTP: return "sctp";
    case IPPROTO_UDPLITE: return "udplite";
    default: return std::to_string(protocol);
    }
}

} // namespace lk
