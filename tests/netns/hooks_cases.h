// SPDX-License-Identifier: MIT
// The cases of the socket hooks, by (hook, row): shared by the tests that run them
// (tests/netns/hooks_*_test.cpp) and the gate that holds them against the table "Socket hooks" of
// docs/policy.md. Nothing here touches a kernel.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

namespace lk::harness {

// One call that a hook sees. ROW is the page's own wording where the page lists an exception.
struct HookCase {
    std::string name;
    std::vector<std::string> hooks; // that see it
    std::string row;
    std::string reason; // of the counter that grows; empty: none does
};

// ---- connect and getpeername ---------------------------------------------------------------------------

enum class Maker { user, vpn_user, vpn_cgroup, other_netns };

struct ConnectCase : HookCase {
    std::string policy;   // one of hook_policies()
    int family = AF_INET; // of the socket
    int type = SOCK_DGRAM;
    bool v6only = false;
    bool v4_name = false; // an IPv6 socket is given a sockaddr_in
    enum class Bound { no, port, address, device } bound = Bound::no;
    bool named = false; // the datagram names the server once more
    std::string asked;  // address that the caller names
    std::string shown;  // that getpeername shows; empty: the same
    int port = 53;
    Maker maker = Maker::user;
    // Who answers ("10.43.0.1:53"), or "refused" (by the uplink), or "unreachable" (by the socket itself).
    std::string end;
};

// Options of attach beyond the common ones: which resolvers are given; and whether a portal is opened then.
struct HookPolicy {
    std::string name;
    std::vector<std::string> args;
    bool portal = false;
};

inline std::vector<HookPolicy> hook_policies() {
    return {
        {"none", {}},
        {"v4", {"--dns", "10.43.0.1"}},
        {"v4port", {"--dns", "10.43.0.1:5353"}},
        {"v6", {"--dns", "2001:db8:43::1"}},
        {"v6port", {"--dns", "[2001:db8:43::1]:5353"}},
        {"both", {"--dns", "10.43.0.1", "--dns", "2001:db8:43::1"}},
        {"boot",
         {"--dns", "10.43.0.1", "--dns", "2001:db8:43::1", "--bootstrap-dns", "198.51.100.53=vpn.example",
          "--bootstrap-dns", "2001:db8:7::53=vpn.example"}},
        {"portal", {"--dns", "10.43.0.1", "--dns", "2001:db8:43::1"}, true},
        {"portaltunnel", {"--tunnel", "vpn0", "--dns", "10.43.0.1", "--dns", "2001:db8:43::1"}, true},
        {"tunnel", {"--tunnel", "vpn0", "--dns", "10.43.0.1", "--dns", "2001:db8:43::1"}},
        {"tunnel4", {"--tunnel", "vpn0", "--dns", "10.43.0.1"}},
        {"tunnelport", {"--tunnel", "vpn0", "--dns", "10.43.0.1:5353", "--dns", "[2001:db8:43::1]:5353"}}};
}

namespace hooks {

// A row for the three kinds of address: IPv4, the same v4-mapped, IPv6. An empty address: not for this kind.
struct Row {
    const char *name, *row, *policy;
    const char *asked4, *end4;
    const char *asked6, *end6;
    bool rewritten = false;
    int port = 53;
    Maker maker = Maker::user;
};

// Public servers .53, gateways .7 (no port named), .8 (port 53), the router 10.9.0.1 and 2001:db8:9::1.
inline const std::vector<Row> &rows() {
    static const std::vector<Row> list = {
        {"public", "goes to the resolver", "v4", "198.51.100.53", "10.43.0.1:53", "2001:db8:7::53",
         "10.43.0.1:53", true},
        {"public", "goes to the resolver", "v4port", "198.51.100.53", "10.43.0.1:5353", "2001:db8:7::53",
         "10.43.0.1:5353", true},
        {"public", "goes to the resolver", "v6", "", "", "2001:db8:7::53", "2001:db8:43::1:53", true},
        {"public", "goes to the resolver", "v6port", "", "", "2001:db8:7::53", "2001:db8:43::1:5353", true},
        {"public", "goes to the resolver", "both", "198.51.100.53", "10.43.0.1:53", "2001:db8:7::53",
         "2001:db8:43::1:53", true},
        {"router", "goes to the resolver", "both", "10.9.0.1", "10.43.0.1:53", "2001:db8:9::1",
         "2001:db8:43::1:53", true},
        {"router", "a router of a portal that is open while no tunnel leads to the resolver", "portal",
         "10.9.0.1", "10.9.0.1:53", "2001:db8:9::1", "2001:db8:9::1:53"},
        {"router", "goes to the resolver", "portaltunnel", "10.9.0.1", "10.43.0.1:53", "2001:db8:9::1",
         "2001:db8:43::1:53", true},
        {"public", "goes to the resolver", "portal", "198.51.100.53", "10.43.0.1:53", "2001:db8:7::53",
         "2001:db8:43::1:53", true},
        {"gateway_of_any_port", "goes to the resolver", "both", "198.51.100.7", "10.43.0.1:53",
         "2001:db8:7::7", "2001:db8:43::1:53", true},
        {"resolver_of_another_port", "goes to the resolver", "v4port", "10.43.0.1", "10.43.0.1:5353", "", "",
         true},
        {"resolver_of_another_port", "goes to the resolver", "v6port", "", "", "2001:db8:43::1",
         "2001:db8:43::1:5353", true},
        {"public", "goes to the resolver", "tunnel", "198.51.100.53", "10.43.0.1:53", "2001:db8:7::53",
         "2001:db8:43::1:53", true},
        {"public", "goes to the resolver", "tunnel4", "198.51.100.53", "10.43.0.1:53", "", "", true},
        {"public", "bound sockets while a tunnel leads to the resolver", "tunnel4", "", "", "2001:db8:7::53",
         "10.43.0.1:53"},
        {"public", "resolvers on another port than 53 while a tunnel leads to them", "tunnelport",
         "198.51.100.53", "10.43.0.1:5353", "2001:db8:7::53", "2001:db8:43::1:5353"},
        {"none", "no resolver given", "none", "198.51.100.53", "refused", "2001:db8:7::53", "refused"},
        {"none_of_this_family", "no resolver given", "v6", "198.51.100.53", "refused", "", ""},
        {"first", "loopback", "both", "127.0.0.1", "127.0.0.1:53", "::1", "::1:53"},
        {"stub", "loopback", "both", "127.0.0.53", "127.0.0.53:53", "", ""},
        {"on_the_uplink", "own addresses of the machine", "both", "10.9.0.2", "10.9.0.2:53", "2001:db8:9::2",
         "2001:db8:9::2:53"},
        {"on_an_inside_device", "own addresses of the machine", "both", "10.10.0.1", "10.10.0.1:53",
         "2001:db8:a::1", "2001:db8:a::1:53"},
        {"container", "prefixes of inside devices", "both", "10.10.0.2", "10.10.0.2:53", "2001:db8:a::2",
         "2001:db8:a::2:53"},
        {"resolver", "the resolver itself", "both", "10.43.0.1", "10.43.0.1:53", "2001:db8:43::1",
         "2001:db8:43::1:53"},
        {"vpn_user", "the VPN daemon", "both", "198.51.100.53", "198.51.100.53:53", "2001:db8:7::53",
         "2001:db8:7::53:53", false, 53, Maker::vpn_user},
        {"vpn_cgroup", "the VPN daemon", "both", "198.51.100.53", "198.51.100.53:53", "2001:db8:7::53",
         "2001:db8:7::53:53", false, 53, Maker::vpn_cgroup},
        {"gateway", "a gateway entry that names port 53", "both", "198.51.100.8", "198.51.100.8:53",
         "2001:db8:7::8", "2001:db8:7::8:53"},
        {"gateway_http", "another port", "both", "198.51.100.7", "198.51.100.7:80", "2001:db8:7::7",
         "2001:db8:7::7:80", false, 80},
        {"public_http", "another port", "both", "198.51.100.53", "refused", "2001:db8:7::53", "refused",
         false, 80},
        {"resolver_port", "another port", "v4port", "10.43.0.1", "10.43.0.1:5353", "", "", false, 5353},
        {"public", "another network namespace", "both", "198.51.100.53", "198.51.100.53:53", "2001:db8:7::53",
         "2001:db8:7::53:53", false, 53, Maker::other_netns},
    };
    return list;
}

inline ConnectCase connect_case(const std::string &name, const Row &row, int family, int type,
                                const std::string &asked, const std::string &end) {
    ConnectCase c;
    c.name = name;
    const std::string suffix = family == AF_INET ? "4" : "6";
    c.hooks = {"connect" + suffix, "getpeername" + suffix};
    if (type == SOCK_DGRAM) c.hooks.push_back("recvmsg" + suffix);
    c.row = row.row;
    c.reason = row.rewritten ? "dns" : "";
    c.policy = row.policy;
    c.family = family;
    c.type = type;
    c.asked = asked;
    c.port = row.port;
    c.maker = row.maker;
    c.end = end;
    return c;
}

} // namespace hooks

inline std::vector<ConnectCase> connect_cases() {
    std::vector<ConnectCase> out;
    for (const hooks::Row &row : hooks::rows())
        for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
            std::string name = row.row + std::string("_") + row.name + '_' + row.policy +
                               (type == SOCK_DGRAM ? "_udp" : "_tcp");
            for (char &letter : name)
                if (letter == ' ') letter = '_';
            const std::string asked4 = row.asked4, asked6 = row.asked6;
            if (!asked4.empty()) {
                out.push_back(hooks::connect_case(name + "_v4", row, AF_INET, type, asked4, row.end4));
                out.push_back(
                    hooks::connect_case(name + "_mapped", row, AF_INET6, type, "::ffff:" + asked4, row.end4));
            }
            if (!asked6.empty())
                out.push_back(hooks::connect_case(name + "_v6", row, AF_INET6, type, asked6, row.end6));
        }
    // Sockets that speak IPv6 only: an IPv4 resolver cannot serve them, and neither can a mapped address.
    const hooks::Row only = {"", "goes to the resolver", "v4", "", "", "", "", true};
    const hooks::Row both = {"", "goes to the resolver", "both", "", "", "", "", true};
    for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
        const std::string suffix = type == SOCK_DGRAM ? "_udp" : "_tcp";
        out.push_back(hooks::connect_case("v6only_ipv4_resolver" + suffix, only, AF_INET6, type,
                                          "2001:db8:7::53", "unreachable"));
        out.back().v6only = true;
        out.push_back(hooks::connect_case("v6only_both_resolvers" + suffix, both, AF_INET6, type,
                                          "2001:db8:7::53", "2001:db8:43::1:53"));
        out.back().v6only = true;
        out.push_back(hooks::connect_case("v6only_mapped" + suffix, both, AF_INET6, type,
                                          "::ffff:198.51.100.53", "unreachable"));
        out.back().v6only = true;
    }
    // A gateway entry that names port 53 of UDP says nothing of TCP.
    const hooks::Row udp_gateway = {"", "a gateway entry that names port 53", "both", "", "", "", ""};
    out.push_back(hooks::connect_case("gateway_of_udp_asked_by_udp", udp_gateway, AF_INET, SOCK_DGRAM,
                                      "198.51.100.9", "198.51.100.9:53"));
    out.push_back(hooks::connect_case("gateway_of_udp_asked_by_tcp", both, AF_INET, SOCK_STREAM,
                                      "198.51.100.9", "10.43.0.1:53"));
    // A query by UDP may be one that leaves; what these say is none, and is refused where its packet is seen.
    const hooks::Row boot = {
        "", "UDP to a server of `--bootstrap-dns` while row B holds for its family", "boot", "", "", "", ""};
    const hooks::Row no_boot = {"", "goes to the resolver", "boot", "", "", "", "", true};
    const struct {
        const char *name;
        int family;
        const char *asked, *resolver;
    } kinds[] = {{"v4", AF_INET, "198.51.100.53", "10.43.0.1:53"},
                 {"mapped", AF_INET6, "::ffff:198.51.100.53", "10.43.0.1:53"},
                 {"v6", AF_INET6, "2001:db8:7::53", "2001:db8:43::1:53"}};
    for (const auto &kind : kinds) {
        const std::string suffix = std::string("_") + kind.name;
        out.push_back(hooks::connect_case("bootstrap_server_by_udp" + suffix, boot, kind.family, SOCK_DGRAM,
                                          kind.asked, "refused"));
        out.push_back(hooks::connect_case("bootstrap_server_by_tcp" + suffix, no_boot, kind.family,
                                          SOCK_STREAM, kind.asked, kind.resolver));
    }
    out.push_back(hooks::connect_case("beside_the_bootstrap_server", no_boot, AF_INET, SOCK_DGRAM, "10.9.0.1",
                                      "10.43.0.1:53"));
    // What is bound is served packet by packet while a tunnel is there, and else goes to the resolver as
    // others.
    using Bound = ConnectCase::Bound;
    const hooks::Row bound = {"", "bound sockets while a tunnel leads to the resolver", "tunnel", "", "", "",
                              ""};
    const auto add_bound = [&](const hooks::Row &row, Bound how, const char *name, bool served) {
        for (const auto &kind : kinds)
            for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
                out.push_back(hooks::connect_case(std::string("bound_to_") + name + '_' + row.policy + '_' +
                                                      (type == SOCK_DGRAM ? "udp_" : "tcp_") + kind.name,
                                                  row, kind.family, type, kind.asked,
                                                  served ? kind.resolver : "refused"));
                out.back().bound = how;
            }
    };
    add_bound(bound, Bound::port, "a_port", true);
    add_bound(bound, Bound::address, "an_address", true);
    add_bound(bound, Bound::device, "the_uplink", true);
    add_bound(both, Bound::port, "a_port", true);
    add_bound(both, Bound::device, "the_uplink", false); // from where no way leads to the resolver
    // A connected socket that names its server in each datagram.
    const hooks::Row tunnel = {"", "goes to the resolver", "tunnel", "", "", "", "", true};
    const hooks::Row away = {"", "another network namespace", "both", "", "", "", "", false,
                             53, Maker::other_netns};
    for (const auto &kind : kinds)
        for (const auto *row : {&both, &tunnel, &bound, &away}) {
            const bool elsewhere = row == &away, mapped = std::string(kind.asked).starts_with("::ffff:");
            out.push_back(hooks::connect_case(
                std::string("named_again_") + kind.name +
                    (row == &bound ? "_bound"
                     : elsewhere   ? "_elsewhere"
                                   : "") +
                    '_' + row->policy,
                *row, kind.family, SOCK_DGRAM, kind.asked,
                elsewhere ? std::string(mapped ? kind.asked + 7 : kind.asked) + ":53" : kind.resolver));
            out.back().named = true;
            if (row == &bound) out.back().bound = Bound::port;
            out.back().hooks.push_back(kind.family == AF_INET || mapped ? "sendmsg4" : "sendmsg6");
        }
    // A link-local server is one of a device.
    out.push_back(
        hooks::connect_case("link_local", bound, AF_INET6, SOCK_DGRAM, "fe80::53", "2001:db8:43::1:53"));
    // The kernel takes the unspecified address for loopback.
    const hooks::Row unspecified = {"", "loopback", "both", "", "", "", ""};
    for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
        const std::string suffix = type == SOCK_DGRAM ? "_udp" : "_tcp";
        out.push_back(hooks::connect_case("unspecified_v4" + suffix, unspecified, AF_INET, type, "0.0.0.0",
                                          "127.0.0.1:53"));
        out.back().shown = "127.0.0.1";
        out.push_back(
            hooks::connect_case("unspecified_v6" + suffix, unspecified, AF_INET6, type, "::", "::1:53"));
        out.back().shown = "::1";
    }
    // UDP alone takes the other family's name.
    out.push_back(hooks::connect_case("v4_name_on_a_v6_socket", both, AF_INET6, SOCK_DGRAM,
                                      "::ffff:198.51.100.53", "10.43.0.1:53"));
    out.back().v4_name = true;
    out.back().hooks = {"connect4", "getpeername6"};
    return out;
}

// ---- setsockopt ----------------------------------------------------------------------------------------

enum class GuardSocket { packet, xdp, udp };

struct GuardCase : HookCase {
    GuardSocket socket = GuardSocket::packet;
    int level = 0, option = 0;
    int value = 0; // the first 4 bytes; the others are 0
    unsigned length_bytes = 4;
    bool other_netns = false;
    int error = 0; // errno, or 0
};

namespace hooks {
// Kernel ABI (linux/if_packet.h, linux/if_xdp.h), written out: the headers do not mix with sys/socket.h
// everywhere.
constexpr int sol_packet = 263, sol_xdp = 283;
constexpr int packet_qdisc_bypass = 20, packet_auxdata = 8, packet_version = 10, packet_loss = 14;
constexpr int xdp_rx_ring = 2, xdp_tx_ring = 3, xdp_umem_reg = 4, xdp_umem_fill_ring = 5;
} // namespace hooks

inline std::vector<GuardCase> guard_cases() {
    using namespace hooks;
    std::vector<GuardCase> out;
    const auto add = [&](const std::string &name, const char *row, GuardSocket socket, int level, int option,
                         int value, unsigned length_bytes, int error, bool other_netns = false) {
        GuardCase c;
        c.name = name;
        c.hooks = {"setsockopt"};
        c.row = row;
        c.reason = error == EPERM ? "bypass" : "";
        c.socket = socket;
        c.level = level;
        c.option = option;
        c.value = value;
        c.length_bytes = length_bytes;
        c.other_netns = other_netns;
        c.error = error;
        out.push_back(c);
    };
    const char *bypass = "PACKET_QDISC_BYPASS", *af_xdp = "SOL_XDP", *other = "another option",
               *away = "another network namespace";
    using enum GuardSocket;
    add("bypass_1", bypass, packet, sol_packet, packet_qdisc_bypass, 1, 4, EPERM);
    add("bypass_2", bypass, packet, sol_packet, packet_qdisc_bypass, 2, 4, EPERM);
    add("bypass_upper_byte", bypass, packet, sol_packet, packet_qdisc_bypass, 0x01000000, 4, EPERM);
    add("bypass_0", bypass, packet, sol_packet, packet_qdisc_bypass, 0, 4, 0);
    add("bypass_cut_short", bypass, packet, sol_packet, packet_qdisc_bypass, 1, 2, EPERM);
    add("bypass_1_in_a_long_value", bypass, packet, sol_packet, packet_qdisc_bypass, 1, 8192, EPERM);
    add("bypass_0_in_a_long_value", bypass, packet, sol_packet, packet_qdisc_bypass, 0, 8192,
        EINVAL); // the kernel's own
    add("rx_ring", af_xdp, xdp, sol_xdp, xdp_rx_ring, 64, 4, EPERM);
    add("tx_ring", af_xdp, xdp, sol_xdp, xdp_tx_ring, 64, 4, EPERM);
    add("umem_reg", af_xdp, xdp, sol_xdp, xdp_umem_reg, 0, 32, EPERM);
    add("fill_ring", af_xdp, xdp, sol_xdp, xdp_umem_fill_ring, 64, 4, EPERM);
    add("long_value", af_xdp, xdp, sol_xdp, xdp_rx_ring, 64, 8192, EPERM);
    add("packet_auxdata", other, packet, sol_packet, packet_auxdata, 1, 4, 0);
    add("packet_version_3", other, packet, sol_packet, packet_version, 2, 4, 0);
    add("packet_loss", other, packet, sol_packet, packet_loss, 1, 4, 0);
    add("same_number_of_another_level", other, udp, SOL_SOCKET, packet_qdisc_bypass, 1, 16, 0); // SO_RCVTIMEO
    add("long_receive_buffer", other, udp, SOL_SOCKET, SO_RCVBUF, 50000, 8192, 0);
    add("receive_buffer_of_a_page", other, udp, SOL_SOCKET, SO_RCVBUF, 50000, 4096, 0);
    add("receive_buffer_past_a_page", other, udp, SOL_SOCKET, SO_RCVBUF, 50000, 4097, 0);
    add("bypass_1_elsewhere", away, packet, sol_packet, packet_qdisc_bypass, 1, 4, 0, true);
    add("rx_ring_elsewhere", away, xdp, sol_xdp, xdp_rx_ring, 64, 4, 0, true);
    return out;
}

// ---- sock_create ---------------------------------------------------------------------------------------

struct MarkCase : HookCase {
    int family = AF_INET, type = SOCK_DGRAM;
    Maker maker = Maker::user;
    bool marked = true;
    bool passes = false; // at the uplink, to where nobody but the VPN daemon may talk
};

inline std::vector<MarkCase> mark_cases() {
    std::vector<MarkCase> out;
    struct Who {
        const char *name;
        Maker maker;
        bool marked, passes;
    };
    for (const Who &who :
         {Who{"user", Maker::user, true, false}, Who{"vpn_user", Maker::vpn_user, true, true},
          Who{"other_netns", Maker::other_netns, false, false}})
        for (int family : {AF_INET, AF_INET6})
            for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
                MarkCase c;
                c.name = std::string(who.name) + (family == AF_INET ? "_v4" : "_v6") +
                         (type == SOCK_DGRAM ? "_udp" : "_tcp");
                c.hooks = {"sock_create"};
                c.row = who.maker == Maker::other_netns ? "another network namespace" : "writes the mark";
                c.family = family;
                c.type = type;
                c.maker = who.maker;
                c.marked = who.marked;
                c.passes = who.passes;
                out.push_back(c);
            }
    return out;
}

} // namespace lk::harness
