// SPDX-License-Identifier: MIT
// The policy of Mullvad's app, connected with the tunnel up and connecting with it down, local network
// sharing on and off, no split tunnelling. Its mark is on what the VPN's user sends, since the tunnel of the
// worlds is a process; the relay's endpoints are those that the cases use. Source: docs/security.md and
// talpid-core/src/firewall/linux.rs of mullvad/mullvadvpn-app (commit 00ba3e2e).
#include <fmt/format.h>

#include "board/peer.h"

namespace lk::board {

using namespace harness;

namespace {

constexpr int mark = 0x6d6f6c65;

// IP, protocol and port.
constexpr const char *endpoints4 = "{ 198.51.100.7 . udp . 1195, 198.51.100.7 . udp . 51820, "
                                   "198.51.100.7 . tcp . 443, 198.51.100.8 . udp . 1194 }";
constexpr const char *endpoints6 = "{ 2001:db8:100::7 . udp . 51820, 2001:db8:100::7 . tcp . 443, "
                                   "2001:db8:100::8 . udp . 1194 }";
constexpr const char *lan4 = "{ 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16 }";
constexpr const char *lan6 = "{ fe80::/10, fc00::/7 }";
constexpr const char *groups4 = "{ 224.0.0.0/24, 239.0.0.0/8, 255.255.255.255 }";
constexpr const char *groups6 = "{ ff01::/16, ff02::/16, ff03::/16, ff04::/16, ff05::/16 }";

// DHCP and neighbour discovery; those that leave hold for what is forwarded too.
constexpr const char *link_out = R"(udp sport 68 ip daddr 255.255.255.255 udp dport 67 accept
ip6 saddr fe80::/10 udp sport 546 ip6 daddr { ff02::1:2, ff05::1:3 } udp dport 547 accept
ip6 daddr ff02::2 icmpv6 type nd-router-solicit icmpv6 code 0 accept
ip6 daddr ff02::1:ff00:0/104 icmpv6 type nd-neighbor-solicit icmpv6 code 0 accept
ip6 daddr fe80::/10 icmpv6 type nd-neighbor-solicit icmpv6 code 0 accept
ip6 daddr fe80::/10 icmpv6 type nd-neighbor-advert icmpv6 code 0 accept
)";
constexpr const char *link_in = R"(meta nfproto ipv4 udp sport 67 udp dport 68 accept
ip6 saddr fe80::/10 udp sport 547 ip6 daddr fe80::/10 udp dport 546 accept
ip6 saddr fe80::/10 icmpv6 type { nd-router-advert, nd-redirect, nd-neighbor-solicit } icmpv6 code 0 accept
icmpv6 type nd-neighbor-advert icmpv6 code 0 accept
)";

std::string endpoints(const char *end, const std::string &and_then) {
    const char *port = end[0] == 's' ? "sport" : "dport";
    return fmt::format("ip {0}addr . meta l4proto . th {1} {2} {4}\n"
                       "ip6 {0}addr . meta l4proto . th {1} {3} {4}\n",
                       end, port, endpoints4, endpoints6, and_then);
}

// DNS to the tunnel's resolver alone, then the tunnel, BACK, and the local network.
std::string leaving(bool tunnel, bool lan, const std::string &back = "") {
    std::string rules;
    if (tunnel)
        rules += "oifname \"tun0\" ip daddr 10.42.0.1 meta l4proto { tcp, udp } th dport 53 accept\n"
                 "oifname \"tun0\" ip6 daddr 2001:db8:42::1 meta l4proto { tcp, udp } th dport 53 accept\n";
    rules += "udp dport 53 reject\ntcp dport 53 reject with tcp reset\n";
    if (tunnel) rules += "oifname \"tun0\" accept\n" + back;
    if (lan)
        rules += fmt::format("ip daddr {} accept\nip6 daddr {} accept\nip daddr {} accept\n"
                             "ip6 daddr {} accept\n",
                             lan4, lan6, groups4, groups6);
    return rules;
}

std::string policy(bool tunnel, bool lan) {
    std::string input;
    if (tunnel) input += "iifname \"tun0\" accept\n";
    if (tunnel && lan) input += "ip daddr 10.42.0.2 drop\nip6 daddr 2001:db8:42::2 drop\n";
    std::string server_in, server_out;
    if (lan) {
        input += fmt::format("ip saddr {} accept\nip6 saddr {} accept\n", lan4, lan6);
        server_in = "udp sport 68 ip daddr 255.255.255.255 udp dport 67 accept\n";
        server_out = "meta nfproto ipv4 udp sport 67 udp dport 68 accept\n";
    }
    return fmt::format(
        "table inet mullvad {{\n"
        "chain prerouting {{ type filter hook prerouting priority -199; policy accept;\n{marked_in}}}\n"
        "chain output {{ type filter hook output priority 0; policy drop;\noifname \"lo\" accept\n"
        "{link_out}{relay_out}{leaving}{server_out}reject\n}}\n"
        "chain input {{ type filter hook input priority 0; policy drop;\niifname \"lo\" accept\n"
        "{link_in}{relay_in}{input}{server_in}}}\n"
        "chain forward {{ type filter hook forward priority 0; policy drop;\n"
        "{link_out}{link_in}{forwarded}reject\n}}\n}}\n",
        fmt::arg("marked_in", endpoints("s", fmt::format("meta mark set {}", mark))),
        fmt::arg("link_out", link_out), fmt::arg("link_in", link_in),
        fmt::arg("relay_out", endpoints("d", fmt::format("meta mark {} accept", mark))),
        fmt::arg("relay_in", endpoints("s", "ct state established accept")),
        fmt::arg("leaving", leaving(tunnel, lan)),
        fmt::arg("forwarded", leaving(tunnel, lan, "iifname \"tun0\" ct state established accept\n")),
        fmt::arg("input", input), fmt::arg("server_in", server_in), fmt::arg("server_out", server_out));
}

} // namespace

Peer mullvad(bool lan) {
    std::vector<Choice> choices = {
        {R"(^pass\.gateway_(ping|esp|gre))", "a relay is reached by its protocol and port only"},
        {R"(^tunnel\.through_the_tunnel_dns_)", "DNS in the tunnel goes to its own resolver only"}};
    if (lan) {
        choices.push_back(open_lan());
        choices.push_back({R"(^dns\.(llmnr_group|mdns_to_another_group)|\.udp_limited_broadcast)",
                           "the groups of the local network and broadcasts are open"});
        choices.push_back({R"(\.(wide_private_prefix_is_no_lan|old_lan_after_roaming))",
                           "every private address is the local network"});
    } else {
        choices.push_back(
            {R"(^pass\.(lan_|mdns|ssdp|neighbours_flushed_lan|vpn_user_lan)|^devices\.(lan_|roaming_))",
             "the local network is closed"});
    }
    return {.name = lan ? "mullvad-lan" : "mullvad",
            .title = lan ? "Mullvad's policy, LAN on" : "Mullvad's policy, LAN off",
            .source = "mullvadvpn-app, docs/security.md and talpid-core/src/firewall/linux.rs",
            .set_up =
                [lan](World &world) {
                    mark_daemon(world, mark);
                    route_by_mark(world, mark);
                    world.host().sysctl("ipv4/conf/all/arp_ignore", "2");
                    nft(world, policy(world.options().tunnel, lan));
                },
            .choices = choices,
            .trusted_mark = mark,
            .tools = {"nft"}};
}

} // namespace lk::board
