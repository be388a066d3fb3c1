// SPDX-License-Identifier: MIT
// wg-quick with the kill switch of its manual page. The tunnel's mark is on what the VPN's user sends, since
// the tunnel of the worlds is a process.
// Source: PostUp in the section EXAMPLES of wg-quick(8); the routes, the table and the mark as add_default()
// in src/wg-quick/linux.bash of WireGuard/wireguard-tools sets them up (nft where there is nft).
#include <fmt/format.h>

#include "board/peer.h"

namespace lk::board {

using namespace harness;

namespace {

constexpr int mark = 51820;

void kill_switch(World &world, const char *program) {
    load(world, program,
         fmt::format("*filter\n-I OUTPUT ! -o tun0 -m mark ! --mark {} -m addrtype ! --dst-type LOCAL -j "
                     "REJECT\nCOMMIT\n",
                     mark));
}

// Nobody but the tunnel may talk to its address (CVE-2019-14899).
void own_tables(World &world, const char *family, const char *address) {
    nft(world, fmt::format("table {0} wg-quick-tun0 {{\n"
                           "chain preraw {{ type filter hook prerouting priority -300;\n"
                           "iifname != \"tun0\" {0} daddr {1} fib saddr type != local drop\n}}\n"
                           "chain premangle {{ type filter hook prerouting priority -150;\n"
                           "meta l4proto udp meta mark set ct mark\n}}\n"
                           "chain postmangle {{ type filter hook postrouting priority -150;\n"
                           "meta l4proto udp mark {2} ct mark set mark\n}}\n}}\n",
                           family, address, mark));
}

} // namespace

Peer wg_quick() {
    return {.name = "wg-quick",
            .title = "wg-quick, kill switch",
            .source = "wg-quick(8), EXAMPLES; wireguard-tools, src/wg-quick/linux.bash",
            .set_up =
                [](World &world) {
                    mark_daemon(world, mark);
                    route_by_mark(world, mark);
                    own_tables(world, "ip", "10.42.0.2");
                    own_tables(world, "ip6", "2001:db8:42::2");
                    kill_switch(world, "iptables-restore");
                    kill_switch(world, "ip6tables-restore");
                },
            .choices = {{R"(^pass\.(lan_|mdns|ssdp|neighbours_flushed_lan)|^devices\.(lan_|roaming_))",
                         "the local network is closed"}},
            .trusts_daemon = true,
            .trusted_mark = mark,
            .tools = {"iptables-restore", "ip6tables-restore"}};
}

} // namespace lk::board
