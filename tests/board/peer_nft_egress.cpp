// SPDX-License-Identifier: MIT
// The same policy by hand, with what nftables has at the same place as leakbpf: a chain on the device's
// egress, below the IP stack. Nobody ships it; it is as close as we could come. Source: "EGRESS" hook and
// netdev family in nft(8).
#include <fmt/format.h>

#include "board/peer.h"

namespace lk::board {

using namespace harness;

namespace {

constexpr const char *rules = R"(table netdev lk_egress {{
chain uplink {{ type filter hook egress device "eth0" priority 0; policy drop;
ether type {{ arp, 0x888e }} accept
ip saddr != {{ 10.9.0.2, 198.51.100.130, 0.0.0.0 }} drop
ip6 saddr != {{ 2001:db8:9::2, fe80::2, :: }} drop
meta skuid {0} accept
ip daddr 198.51.100.7 tcp dport != 53 accept
ip daddr 198.51.100.7 udp dport != 53 accept
ip daddr 198.51.100.7 meta l4proto != {{ tcp, udp }} accept
ip6 daddr 2001:db8:100::7 tcp dport != 53 accept
ip6 daddr 2001:db8:100::7 udp dport != 53 accept
ip6 daddr 2001:db8:100::7 meta l4proto != {{ tcp, udp }} accept
ip daddr 198.51.100.8 udp dport 1194 accept
ip6 daddr 2001:db8:100::8 udp dport 1194 accept
tcp dport {{ 53, 853, 5355, 137, 138 }} drop
udp dport {{ 53, 853, 5355, 137, 138 }} drop
udp sport 68 udp dport 67 ip daddr {{ 255.255.255.255, 10.9.0.0/24 }} accept
udp sport 546 udp dport 547 ip6 daddr {{ ff02::1:2, fe80::/64 }} accept
icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }} ip6 hoplimit 255 accept
icmpv6 type {{ mld-listener-report, mld-listener-done, mld2-listener-report }} ip6 hoplimit 1 accept
meta l4proto igmp ip ttl 1 ip daddr 224.0.0.0/4 accept
ip daddr 10.9.0.0/24 accept
ip6 daddr fe80::/64 accept
ip daddr 239.255.255.250 udp dport 1900 accept
ip6 daddr {{ ff02::c, ff05::c }} udp dport 1900 accept
ip daddr 224.0.0.251 udp dport 5353 accept
ip6 daddr ff02::fb udp dport 5353 accept
}}
}}
)";

} // namespace

Peer nft_egress() {
    return {.name = "nft-egress",
            .title = "nft egress chain",
            .source = "nft(8), netdev family; the rules are ours",
            .set_up = [](World &world) { nft(world, fmt::format(rules, vpn_uid)); },
            .trusts_daemon = true,
            .tools = {"nft"}};
}

} // namespace lk::board
