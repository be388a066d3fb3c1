// SPDX-License-Identifier: MIT
// The rules that send a whole machine through Tor. The VPN's user stands for Tor's.
// Source: "Local Redirection Through Tor" of the page TransparentProxy in the Tor project's wiki
// (gitlab.torproject.org/legacy/trac/-/wikis/doc/TransparentProxy), with the fixes that its warnings name
// (INVALID, and the segments that escape redirection), Tor's user allowed whatever the protocol, and IPv6
// closed as it says for a Tor without IPv6.
#include <fmt/format.h>

#include "board/peer.h"

namespace lk::board {

using namespace harness;

namespace {

// TransPort 9040, DNSPort 5353; 10.9.0.0/24 is what is not sent through Tor.
constexpr const char *rules4 = R"(*nat
-A OUTPUT -d 10.192.0.0/10 -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REDIRECT --to-ports 9040
-A OUTPUT -d 127.0.0.1/32 -p udp --dport 53 -j REDIRECT --to-ports 5353
-A OUTPUT -m owner --uid-owner {0} -j RETURN
-A OUTPUT -o lo -j RETURN
-A OUTPUT -d 10.9.0.0/24 -j RETURN
-A OUTPUT -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j REDIRECT --to-ports 9040
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A OUTPUT -m conntrack --ctstate INVALID -j DROP
-A OUTPUT ! -o lo ! -d 127.0.0.1 ! -s 127.0.0.1 -p tcp --tcp-flags ACK,FIN ACK,FIN -m owner ! --uid-owner {0} -j DROP
-A OUTPUT ! -o lo ! -d 127.0.0.1 ! -s 127.0.0.1 -p tcp --tcp-flags ACK,RST ACK,RST -m owner ! --uid-owner {0} -j DROP
-A OUTPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A OUTPUT -m owner --uid-owner {0} -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
-A OUTPUT -d 10.9.0.0/24 -j ACCEPT
COMMIT
)";

constexpr const char *rules6 = R"(*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
COMMIT
)";

} // namespace

Peer tor() {
    return {.name = "tor",
            .title = "Tor's rules",
            .source = "Tor project's wiki, TransparentProxy, local redirection",
            .set_up =
                [](World &world) {
                    load(world, "iptables-restore", fmt::format(rules4, vpn_uid));
                    load(world, "ip6tables-restore", rules6);
                },
            .choices = {open_lan(),
                        {R"(^tunnel\.)", "there is no tunnel device: Tor takes connections on a port"},
                        {R"(\.lan_from_a_container)", "nothing is forwarded"},
                        {R"(^(pass|devices)\..*\.v6)", "IPv6 is closed"}},
            .trusts_daemon = true,
            .tools = {"iptables-restore", "ip6tables-restore"}};
}

} // namespace lk::board
