// SPDX-License-Identifier: MIT
// Group frames: what goes out of a packet socket, below the IP stack. Nobody is the VPN daemon here, not even
// a packet socket of the VPN user: packet sockets carry no mark.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include <cstring>

#include <fmt/format.h>

#include "leak_case.h"
#include "xdp_sender.h"

namespace lk::harness {

namespace {

constexpr std::uint16_t type_ip4 = 0x0800, type_ip6 = 0x86dd, type_arp = 0x0806;

std::uint16_t ip_type(const Env &env) {
    return env.family == 4 ? type_ip4 : type_ip6;
}

// A public UDP datagram with the case's token.
Bytes datagram(const Env &env, std::size_t length = 64) {
    return ip(env.source(), env.dst, IPPROTO_UDP,
              udp(env.source(), env.dst, 4000, env.port, env.payload(length)));
}

void send_frame(const Env &env, const Bytes &frame) {
    inject(env.seat.device, {frame});
}

// The datagram behind TAGS, each a type and the bytes between it and the next type.
Bytes tagged(const Env &env, const std::vector<std::pair<std::uint16_t, Bytes>> &tags, const Bytes &inner) {
    Bytes data;
    for (const auto &[type, bytes] : tags)
        data += be16(type) + bytes;
    return env.seat.next_mac + env.seat.mac + data + inner;
}

// TYPE is what the socket claims; the bytes say what they say.
void claimed(const Env &env, int kind, std::uint16_t type, const Bytes &data) {
    Fd fd(must(socket(AF_PACKET, kind | SOCK_CLOEXEC, 0), "packet socket"));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(type);
    to.sll_ifindex = static_cast<int>(if_nametoindex(env.seat.device.c_str()));
    to.sll_halen = 6;
    memcpy(to.sll_addr, env.seat.next_mac.data(), 6);
    sendto(fd.get(), data.data(), data.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to));
}

void bound_with_bypass(const Env &env) {
    Fd fd(must(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "packet socket"));
    int on = 1;
    must(setsockopt(fd.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)), "PACKET_QDISC_BYPASS");
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ip_type(env));
    to.sll_ifindex = static_cast<int>(if_nametoindex(env.seat.device.c_str()));
    must(bind(fd.get(), reinterpret_cast<sockaddr *>(&to), sizeof(to)), "bind");
    Bytes frame = env.ip_frame(datagram(env));
    must(send(fd.get(), frame.data(), frame.size(), 0), "send");
}

void ring(const Env &env, bool bypass) {
    Fd fd(must(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), "packet socket"));
    int on = 1, version = TPACKET_V2;
    if (bypass)
        must(setsockopt(fd.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)), "PACKET_QDISC_BYPASS");
    must(setsockopt(fd.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof(version)), "PACKET_VERSION");
    tpacket_req request{4096, 1, 2048, 2};
    must(setsockopt(fd.get(), SOL_PACKET, PACKET_TX_RING, &request, sizeof(request)), "PACKET_TX_RING");
    void *area = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    if (area == MAP_FAILED) fail("mapping the ring");
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ip_type(env));
    to.sll_ifindex = static_cast<int>(if_nametoindex(env.seat.device.c_str()));
    must(bind(fd.get(), reinterpret_cast<sockaddr *>(&to), sizeof(to)), "bind");
    Bytes frame = env.ip_frame(datagram(env));
    auto *header = static_cast<tpacket2_hdr *>(area);
    memcpy(static_cast<char *>(area) + TPACKET2_HDRLEN - sizeof(sockaddr_ll), frame.data(), frame.size());
    header->tp_len = static_cast<unsigned>(frame.size());
    header->tp_status = TP_STATUS_SEND_REQUEST;
    send(fd.get(), nullptr, 0, 0);
}

// ---- hand-made fragments

// Cuts UPPER after FIRST bytes and sends both pieces, or the second alone.
void fragments(const Env &env, std::uint8_t protocol, const Bytes &upper, std::size_t first, bool head,
               bool tail) {
    std::vector<Bytes> frames;
    auto offset = static_cast<std::uint16_t>(first / 8);
    auto id = static_cast<std::uint16_t>(env.port);
    auto piece = [&](bool more, std::uint16_t at, const Bytes &data) {
        if (env.family == 4) {
            auto field = static_cast<std::uint16_t>((more ? 0x2000 : 0) | at);
            frames.push_back(
                env.ip_frame(ip(env.source(), env.dst, protocol, data, {.id = id, .fragment = field})));
        } else {
            frames.push_back(env.ip_frame(
                ip(env.source(), env.dst, IPPROTO_FRAGMENT, fragment_header(protocol, at, more, id) + data)));
        }
    };
    if (head) piece(true, 0, upper.substr(0, first));
    if (tail) piece(false, offset, upper.substr(first));
    inject(env.seat.device, frames);
}

Bytes token_datagram(const Env &env) {
    return udp(env.source(), env.dst, 4000, env.port, env.token + env.token + filler(64) + env.token);
}

// ---- IPv6 extension headers before the datagram

Bytes options_header(std::uint8_t next, std::size_t units = 0) { // PadN throughout
    Bytes data = Bytes{static_cast<char>(next), static_cast<char>(units)};
    return data + Bytes{1, static_cast<char>(units * 8 + 4)} + Bytes(units * 8 + 4, 0);
}

void extended(const Env &env, std::uint8_t first, const std::function<Bytes(std::uint8_t)> &headers) {
    Bytes upper = udp(env.source(), env.dst, 4000, env.port, env.payload(64));
    send_frame(env, env.ip_frame(ip(env.source(), env.dst, first, headers(IPPROTO_UDP) + upper)));
}

Bytes chain(std::uint8_t next, int count) {
    Bytes data;
    for (int index = 0; index < count; index++)
        data += options_header(index + 1 == count ? next : static_cast<std::uint8_t>(IPPROTO_DSTOPTS));
    return data;
}

using Body = std::function<void(const Env &)>;

struct Shape {
    std::vector<int> families = {4, 6};
    bool forwarded = true; // the host would forward it from a container
    const char *unsendable = "";
    bool marked_address = true;
};

void add(Matrix &matrix, const std::string &name, const Body &body, const Shape &shape = {}) {
    Vector vector{.group = "frames", .name = name, .run = by_sender(body)};
    vector.families = shape.families;
    vector.raw = true;
    vector.who = {Who::user, Who::root, Who::vpn};
    if (shape.forwarded) vector.who.push_back(Who::nated);
    vector.unsendable = shape.unsendable;
    vector.marked_address = shape.marked_address;
    matrix.add(vector);
}

void add_packet_sockets(Matrix &matrix) {
    add(matrix, "packet_raw", [](const Env &env) { send_frame(env, env.ip_frame(datagram(env))); });
    add(matrix, "packet_dgram",
        [](const Env &env) { claimed(env, SOCK_DGRAM, ip_type(env), datagram(env)); });
    const Shape local{.forwarded = false};
    add(
        matrix, "packet_claimed_arp",
        [](const Env &env) { claimed(env, SOCK_RAW, type_arp, env.ip_frame(datagram(env))); }, local);
    add(
        matrix, "packet_claimed_eapol",
        [](const Env &env) { claimed(env, SOCK_RAW, 0x888e, env.ip_frame(datagram(env))); }, local);
    add(
        matrix, "packet_claimed_other_family",
        [](const Env &env) {
            claimed(env, SOCK_RAW, env.family == 4 ? type_ip6 : type_ip4, env.ip_frame(datagram(env)));
        },
        local);
    add(
        matrix, "packet_dgram_ip_called_arp",
        [](const Env &env) { claimed(env, SOCK_DGRAM, type_arp, datagram(env)); }, local);
    add(
        matrix, "packet_ring", [](const Env &env) { ring(env, false); }, local);
    add(
        matrix, "packet_ring_bypass", [](const Env &env) { ring(env, true); }, local);
    add(matrix, "packet_bypass", bound_with_bypass, local);
    add(
        matrix, "xdp_socket",
        [](const Env &env) { send_by_xdp(env.seat.device, env.ip_frame(datagram(env))); }, local);
    add(matrix, "tcp_frame", [](const Env &env) {
        send_frame(env, env.ip_frame(ip(env.source(), env.dst, IPPROTO_TCP,
                                        tcp(env.source(), env.dst, 4000, env.port, SYN))));
    });
    add(
        matrix, "tcp_reset_frame",
        [](const Env &env) {
            Bytes upper = tcp(env.source(), env.dst, 4000, env.port, RST, 1, 0, env.token);
            send_frame(env, env.ip_frame(ip(env.source(), env.dst, IPPROTO_TCP, upper)));
        },
        local);
    add(matrix, "echo_frame", [](const Env &env) {
        Bytes upper = echo_request(env.source(), env.dst, 5, env.payload(56));
        std::uint8_t protocol = env.family == 4 ? 1 : 58;
        send_frame(env, env.ip_frame(ip(env.source(), env.dst, protocol, upper)));
    });
}

void add_ethertypes(Matrix &matrix) {
    const Shape local{.forwarded = false};
    const Bytes vlan = be16(7); // VLAN 7
    auto tags = [&](const char *name, std::vector<std::pair<std::uint16_t, Bytes>> list) {
        add(
            matrix, name,
            [list](const Env &env) {
                auto all = list;
                all.emplace_back(ip_type(env), Bytes());
                send_frame(env, tagged(env, all, datagram(env)));
            },
            local);
    };
    tags("vlan", {{0x8100, vlan}});
    tags("vlan_priority_only", {{0x8100, be16(0)}});
    tags("vlan_8021ad", {{0x88a8, vlan}});
    tags("qinq", {{0x88a8, vlan}, {0x8100, vlan}});
    tags("qinq_8100_twice", {{0x8100, vlan}, {0x8100, vlan}});
    tags("three_tags", {{0x8100, vlan}, {0x8100, vlan}, {0x8100, vlan}});
    tags("vlan_9100", {{0x9100, vlan}});
    tags("vlan_arp_then_ip", {{0x8100, vlan}, {type_arp, Bytes(28, 0)}});
    struct Type {
        const char *name;
        std::uint16_t type;
        Bytes before; // between the ethertype and the IP packet
    };
    const Type types[] = {
        {"mpls", 0x8847, be32(16 << 12 | 1 << 8 | 64)},
        {"mpls_multicast", 0x8848, be32(16 << 12 | 1 << 8 | 64)},
        {"pppoe_session", 0x8864, Bytes("\x11\0\0\x01\0\x60\0\x21", 8)},
        {"pppoe_discovery", 0x8863, Bytes("\x11\x09\0\0\0\x60", 6)},
        {"ethertype_unknown", 0x1234, ""},
        {"ethertype_ipx", 0x8137, ""},
        {"ethertype_rarp", 0x8035, ""},
        {"ethertype_lldp", 0x88cc, ""},
        {"ethertype_ptp", 0x88f7, ""},
        {"ethertype_aoe", 0x88a2, ""},
        {"ethertype_fcoe", 0x8906, ""},
        {"ethertype_batman", 0x4305, ""},
        {"ethertype_macsec", 0x88e5, ""},
        {"ethertype_tipc", 0x88ca, ""},
        {"ethertype_roce", 0x8915, ""},
        {"ethertype_loopback_test", 0x9000, ""},
        {"ethertype_nsh", 0x894f, ""},
        {"ethertype_ieee_experimental", 0x88b6, ""},
        {"ethertype_transparent_bridging", 0x6558, ""},
        {"llc_snap", 0x0060, Bytes("\xaa\xaa\x03\0\0\0\x08\0", 8)},
        {"llc_ip_sap", 0x0060, Bytes("\x06\x06\x03", 3)},
        {"length_zero", 0x0000, ""},
        {"lacp_on_no_bond", 0x8809, Bytes("\x01\x01", 2)},
    };
    for (const Type &type : types)
        add(
            matrix, type.name,
            [type = type](const Env &env) {
                send_frame(env, env.frame(type.type, type.before + datagram(env)));
            },
            local);
    add(matrix, "bpdu_on_no_bridge",
        [](const Env &env) {
            send_frame(env, ethernet(Bytes("\x01\x80\xc2\0\0\0", 6), env.seat.mac, 60,
                                     Bytes("\x42\x42\x03", 3) + env.payload(57)));
        },
        {.families = {4}, .forwarded = false});
    auto asks = [&](const char *name, std::uint16_t operation, bool own_sender) {
        add(matrix, name,
            [operation, own_sender](const Env &env) {
                Bytes broadcast(6, '\xff');
                Ip sender = own_sender ? env.source() : env.dst;
                send_frame(env,
                           ethernet(broadcast, env.seat.mac, type_arp,
                                    arp(operation, env.seat.mac, sender, Bytes(6, 0), env.dst) + env.token));
            },
            {.families = {4}, .forwarded = false});
    };
    asks("arp_for_a_public_host", 1, true);
    asks("arp_reply_to_a_public_host", 2, true);
    asks("arp_of_a_foreign_sender", 1, false);
    add(matrix, "arp_unknown_operation",
        [](const Env &env) {
            Bytes data = arp(9, env.seat.mac, env.source(), Bytes(6, 0), Ip::of("10.9.0.1"));
            send_frame(env, ethernet(Bytes(6, '\xff'), env.seat.mac, type_arp, data + env.token));
        },
        {.families = {4}, .forwarded = false, .marked_address = false});
    add(matrix, "arp_of_another_hardware",
        [](const Env &env) {
            Bytes data =
                arp(1, env.seat.mac, env.source(), Bytes(6, 0), Ip::of("10.9.0.1")).replace(0, 2, be16(6));
            send_frame(env, ethernet(Bytes(6, '\xff'), env.seat.mac, type_arp, data + env.token));
        },
        {.families = {4}, .forwarded = false, .marked_address = false});
}

void add_fragments(Matrix &matrix) {
    const Shape local{.forwarded = false};
    add(matrix, "fragments_udp",
        [](const Env &env) { fragments(env, IPPROTO_UDP, token_datagram(env), 32, true, true); });
    add(
        matrix, "fragment_tail_alone",
        [](const Env &env) { fragments(env, IPPROTO_UDP, token_datagram(env), 32, false, true); }, local);
    add(
        matrix, "fragment_tiny_first",
        [](const Env &env) { fragments(env, IPPROTO_UDP, token_datagram(env), 8, true, true); }, local);
    add(
        matrix, "fragment_tcp_without_ports",
        [](const Env &env) {
            fragments(env, IPPROTO_TCP, tcp(env.source(), env.dst, 4000, env.port, SYN, 1, 0, env.token), 8,
                      true, true);
        },
        local);
    add(
        matrix, "fragment_overlapping",
        [](const Env &env) {
            fragments(env, IPPROTO_UDP, token_datagram(env), 48, true, false);
            fragments(env, IPPROTO_UDP, token_datagram(env), 24, false, true);
        },
        local);
    add(
        matrix, "fragment_tail_before_first",
        [](const Env &env) {
            fragments(env, IPPROTO_UDP, token_datagram(env), 32, false, true);
            fragments(env, IPPROTO_UDP, token_datagram(env), 32, true, false);
        },
        local);
    // A first fragment to the gateway's open port must not open the way for another protocol or destination.
    add(
        matrix, "fragment_tail_after_a_gateways_first",
        [](const Env &env) {
            Ip gateway = env.pick(gateway4, gateway6);
            auto id = static_cast<std::uint16_t>(env.port);
            Bytes first = udp(env.source(), gateway, 4000, 4001, filler(24));
            Bytes head = env.family == 4
                             ? ip(env.source(), gateway, IPPROTO_UDP, first, {.id = id, .fragment = 0x2000})
                             : ip(env.source(), gateway, IPPROTO_FRAGMENT,
                                  fragment_header(IPPROTO_UDP, 0, true, id) + first);
            send_frame(env, env.ip_frame(head));
            fragments(env, IPPROTO_UDP, token_datagram(env), 32, false, true);
        },
        local);
}

void add_malformed(Matrix &matrix) {
    const Shape v6{.families = {6}, .forwarded = false}, v4{.families = {4}, .forwarded = false};
    auto extension = [&](const char *name, std::uint8_t first, std::function<Bytes(std::uint8_t)> headers) {
        add(
            matrix, name, [first, headers](const Env &env) { extended(env, first, headers); }, v6);
    };
    extension("hop_by_hop", IPPROTO_HOPOPTS, [](std::uint8_t next) { return options_header(next); });
    extension("destination_options", IPPROTO_DSTOPTS, [](std::uint8_t next) { return options_header(next); });
    extension("routing_type_0", IPPROTO_ROUTING, [](std::uint8_t next) {
        return Bytes{static_cast<char>(next), 2, 0, 1, 0, 0, 0, 0} + gateway6.bytes();
    });
    extension("routing_type_2", IPPROTO_ROUTING, [](std::uint8_t next) {
        return Bytes{static_cast<char>(next), 2, 2, 1, 0, 0, 0, 0} + gateway6.bytes();
    });
    extension("segment_routing", IPPROTO_ROUTING, [](std::uint8_t next) {
        return Bytes{static_cast<char>(next), 2, 4, 0, 0, 0, 0, 0} + gateway6.bytes();
    });
    extension("mobility", 135, [](std::uint8_t next) { return options_header(next); });
    extension("host_identity", 139, [](std::uint8_t next) { return options_header(next); });
    extension("shim6", 140, [](std::uint8_t next) { return options_header(next); });
    extension("experimental_253", 253, [](std::uint8_t next) { return options_header(next); });
    extension("authentication", IPPROTO_AH, [](std::uint8_t next) {
        return Bytes{static_cast<char>(next), 4} + Bytes(22, 1);
    });
    extension("atomic_fragment", IPPROTO_FRAGMENT,
              [](std::uint8_t next) { return fragment_header(next, 0, false, 9); });
    extension("two_fragment_headers", IPPROTO_FRAGMENT, [](std::uint8_t next) {
        return fragment_header(IPPROTO_FRAGMENT, 0, false, 9) + fragment_header(next, 0, false, 9);
    });
    extension("eight_extension_headers", IPPROTO_DSTOPTS, [](std::uint8_t next) { return chain(next, 8); });
    extension("nine_extension_headers", IPPROTO_DSTOPTS, [](std::uint8_t next) { return chain(next, 9); });
    extension("forty_extension_headers", IPPROTO_DSTOPTS, [](std::uint8_t next) { return chain(next, 40); });
    extension("long_extension_header", IPPROTO_DSTOPTS,
              [](std::uint8_t next) { return options_header(next, 80); });
    extension("hop_by_hop_in_the_middle", IPPROTO_DSTOPTS,
              [](std::uint8_t next) { return options_header(IPPROTO_HOPOPTS) + options_header(next); });
    extension("no_next_header", IPPROTO_NONE, [](std::uint8_t) { return Bytes(); });

    auto option = [&](const char *name, const Bytes &options) {
        add(
            matrix, name,
            [options](const Env &env) {
                Bytes upper = udp(env.source(), env.dst, 4000, env.port, env.payload(64));
                send_frame(env,
                           env.ip_frame(ip(env.source(), env.dst, IPPROTO_UDP, upper, {.options = options})));
            },
            v4);
    };
    option("option_loose_route", Bytes("\x83\x07\x04\x0a\x09\0\x01\0", 8));
    option("option_strict_route", Bytes("\x89\x07\x04\x0a\x09\0\x01\0", 8));
    option("option_record_route", Bytes("\x07\x07\x04\0\0\0\0\0", 8));
    option("option_timestamp", Bytes("\x44\x08\x05\0\0\0\0\0", 8));
    option("option_router_alert", Bytes("\x94\x04\0\0", 4));
    option("option_no_operation", Bytes("\x01\x01\x01\x01", 4));
    // A source route that goes over a gateway: what is seen as the destination is not where it ends.
    add(
        matrix, "option_route_over_a_gateway",
        [](const Env &env) {
            Bytes options = Bytes("\x83\x07\x04", 3) + env.dst.bytes() + Bytes(1, 0);
            Bytes upper = udp(env.source(), gateway4, 4000, env.port, env.payload(64));
            send_frame(env,
                       env.ip_frame(ip(env.source(), gateway4, IPPROTO_UDP, upper, {.options = options})));
        },
        v4);
    add(
        matrix, "routing_over_a_gateway",
        [](const Env &env) {
            Bytes header = Bytes{IPPROTO_UDP, 2, 0, 1, 0, 0, 0, 0} + env.dst.bytes();
            Bytes upper = udp(env.source(), gateway6, 4000, env.port, env.payload(64));
            send_frame(env, env.ip_frame(ip(env.source(), gateway6, IPPROTO_ROUTING, header + upper)));
        },
        v6);
    // To a gateway, and yet not as its headers say.
    const Shape gateway{.forwarded = false, .marked_address = false};
    add(
        matrix, "gateway_frame_cut_short",
        [](const Env &env) {
            Ip to = env.pick(gateway4, gateway6);
            Bytes packet =
                ip(env.source(), to, IPPROTO_UDP, udp(env.source(), to, 4000, env.port, env.payload(64)));
            send_frame(env, env.ip_frame(packet.substr(0, packet.size() - 8)));
        },
        gateway);
    add(
        matrix, "gateway_frame_of_wrong_version",
        [](const Env &env) {
            Ip to = env.pick(gateway4, gateway6);
            Bytes packet =
                ip(env.source(), to, IPPROTO_UDP, udp(env.source(), to, 4000, env.port, env.payload(64)));
            packet[0] = static_cast<char>(0x50 | (packet[0] & 0x0f));
            send_frame(env, env.ip_frame(packet));
        },
        gateway);
    add(
        matrix, "gateway_frame_with_a_foreign_source",
        [](const Env &env) {
            Ip to = env.pick(gateway4, gateway6),
               from = env.pick(Ip::of("10.42.0.2"), Ip::of("2001:db8:42::2"));
            send_frame(
                env, env.ip_frame(ip(from, to, IPPROTO_UDP, udp(from, to, 4000, env.port, env.payload(64)))));
        },
        gateway);
}

} // namespace

void add_frame_cases(Matrix &matrix) {
    add_packet_sockets(matrix);
    add_ethertypes(matrix);
    add_fragments(matrix);
    add_malformed(matrix);
}

} // namespace lk::harness
