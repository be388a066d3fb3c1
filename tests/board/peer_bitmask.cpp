// SPDX-License-Identifier: MIT
// Bitmask's firewall, as its helper sets it up when the VPN is started.
// Source: firewall_start() in helpers/bitmask-root of 0xacab.org/leap/bitmask-vpn (on GitHub
// leapcode/bitmask-vpn, commit 3120b855), of the branch that is not for Qubes.
#include <fmt/format.h>

#include "board/peer.h"

namespace lk::board {

using namespace harness;

namespace {

// The local network is the first address of the device of the default route. The name server is the VPN's.
constexpr const char *rules4 = R"(*nat
:bitmask - [0:0]
:bitmask_postrouting - [0:0]
-I OUTPUT -j bitmask
-I POSTROUTING -j bitmask_postrouting
-A bitmask -p udp -d 127.0.1.1,127.0.0.1,127.0.0.53 --dport 53 -j ACCEPT
-A bitmask -p udp --dport 53 -j DNAT --to 10.42.0.1:53
-A bitmask -p tcp --dport 53 -j DNAT --to 10.42.0.1:53
-A bitmask_postrouting -d 10.42.0.1 -p udp --dport 53 -j MASQUERADE
-A bitmask_postrouting -d 10.42.0.1 -p tcp --dport 53 -j MASQUERADE
COMMIT
*filter
:bitmask - [0:0]
-I OUTPUT -j bitmask
{0}-A bitmask -s 10.9.0.2/24 -o eth0 -p udp --dport 53 -j ACCEPT
-A bitmask -s 10.9.0.2/24 -o eth0 -p tcp --dport 53 -j ACCEPT
-A bitmask -p udp -d 239.255.255.250 --dport 1900 -o eth0 -j RETURN
-A bitmask -p udp -d 224.0.0.251 --dport 5353 -o eth0 -j RETURN
{1}-A bitmask -o eth0 -j REJECT
COMMIT
)";

constexpr const char *rules6 = R"(*filter
:bitmask - [0:0]
-I OUTPUT -j bitmask
-A bitmask -d 2001:db8:9::2/64 -o eth0 -j ACCEPT
-A bitmask -p udp -d ff05::c --dport 1900 -o eth0 -j RETURN
-A bitmask -p udp -d ff02::fb --dport 5353 -o eth0 -j RETURN
-A bitmask -p tcp -j REJECT
-A bitmask -p udp -j REJECT
COMMIT
)";

std::string accept(const std::vector<std::string> &destinations) {
    std::string rules;
    for (const std::string &destination : destinations)
        rules += fmt::format("-A bitmask -d {} -o eth0 -j ACCEPT\n", destination);
    return rules;
}

} // namespace

std::string bitmask_rules4(const std::vector<std::string> &gateways, const std::vector<std::string> &lans) {
    return fmt::format(rules4, accept(lans), accept(gateways));
}

Peer bitmask() {
    return {.name = "bitmask",
            .title = "Bitmask",
            .source = "bitmask-vpn, helpers/bitmask-root, firewall_start()",
            .set_up =
                [](World &world) {
                    load(world, "iptables-restore",
                         bitmask_rules4({gateway4.str(), port_gateway4.str()}, {"10.9.0.2/24"}));
                    load(world, "ip6tables-restore", rules6);
                },
            .choices = {open_gateways(),
                        open_lan(),
                        {R"(^(tunnel\.|pass\.gateway_).*\.v6\.)",
                         "IPv6 is rejected, on whatever device: its tunnel and its gateways are IPv4"}},
            .tools = {"iptables-restore", "ip6tables-restore"}};
}

} // namespace lk::board
