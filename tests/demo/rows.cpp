// SPDX-License-Identifier: MIT
#include "demo/rows.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

namespace lk::demo {

using namespace lk::harness;

namespace {

constexpr int patience_ms = 1000;
constexpr char uplink[] = "eth0";
// A question of DNS for the address of example.com; the servers of the demo send it back.
const Bytes question("\x4c\x4b\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07"
                     "example\x03"
                     "com\x00\x00\x01\x00\x01",
                     29);

using Clock = std::chrono::steady_clock;

[[noreturn]] void trouble(const std::string &what, Clock::time_point since) {
    std::chrono::duration<double, std::milli> took = Clock::now() - since;
    throw std::runtime_error(fmt::format("{} after {:.1f} ms", what, took.count()));
}

std::string in_words(int error) {
    switch (error) {
    case ECONNREFUSED: return "refused";
    case EPERM: return "not permitted";
    case ENOBUFS: return "dropped";
    case EAGAIN:
    case ETIMEDOUT:
    case EINPROGRESS: return "no answer";
    default: return strerror(error);
    }
}

Fd open_socket(const Ip &to, int type, bool bound) {
    Fd fd(socket(to.family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0));
    timeval limit{patience_ms / 1000, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); // of connect, too
    if (bound && setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, uplink, sizeof(uplink)) < 0)
        throw std::runtime_error("binding to the device");
    return fd;
}

// What a browser does first: connect, say something, hear something.
std::function<void()> page(const char *address, std::uint16_t port, bool bound = false) {
    return [=] {
        auto since = Clock::now();
        SockAddr to(Ip::of(address), port);
        Fd fd = open_socket(Ip::of(address), SOCK_STREAM, bound);
        char answer[64];
        if (connect(fd.get(), to.get(), to.length) < 0 || write(fd.get(), "GET /", 5) < 0 ||
            recv(fd.get(), answer, sizeof(answer), 0) < 1)
            trouble(in_words(errno), since);
    };
}

// CONNECTED: as the C library asks; otherwise as programs with a resolver of their own do.
std::function<void()> dns(const char *address, bool connected, bool bound = false) {
    return [=] {
        auto since = Clock::now();
        SockAddr to(Ip::of(address), 53);
        Fd fd = open_socket(Ip::of(address), SOCK_DGRAM, bound);
        int on = 1;
        setsockopt(fd.get(), SOL_IP, IP_RECVERR, &on, sizeof(on));
        char answer[512];
        if ((connected && connect(fd.get(), to.get(), to.length) < 0) ||
            sendto(fd.get(), question.data(), question.size(), 0, connected ? nullptr : to.get(),
                   connected ? 0 : to.length) < 0 ||
            recv(fd.get(), answer, sizeof(answer), 0) < 0)
            trouble(in_words(errno), since);
    };
}

std::function<void()> ping(const char *address) {
    return [=] {
        auto since = Clock::now();
        SockAddr to(Ip::of(address), 0);
        Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP));
        timeval limit{patience_ms / 1000, 0};
        setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        const char request[16] = {8};
        char answer[64];
        if (sendto(fd.get(), request, sizeof(request), 0, to.get(), to.length) < 0 ||
            recv(fd.get(), answer, sizeof(answer), 0) < 0)
            trouble(in_words(errno), since);
    };
}

// A frame put on the device as it is. PROTOCOL is what the sender claims it to be; BYPASS: past the queues,
// where the filter is.
std::function<void()> frame(const Bytes &packet, std::uint16_t protocol, bool bypass) {
    return [=] {
        auto since = Clock::now();
        Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        int on = 1;
        if (bypass && setsockopt(fd.get(), SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) < 0)
            trouble(in_words(errno), since);
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_protocol = htons(protocol);
        to.sll_ifindex = static_cast<int>(if_nametoindex(uplink));
        Bytes whole = ethernet(Bytes(6, '\xff'), Bytes("\x02\0\0\0\0\x01", 6), ETH_P_IP, packet);
        if (sendto(fd.get(), whole.data(), whole.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to)) <
            0)
            trouble(in_words(errno), since);
        throw std::runtime_error("no trace"); // nobody answers a raw frame: only the wire can tell
    };
}

Bytes datagram(const char *from, const char *to, std::uint16_t sport, std::uint16_t dport) {
    return ip(Ip::of(from), Ip::of(to), IPPROTO_UDP,
              udp(Ip::of(from), Ip::of(to), sport, dport, filler(100)));
}

Mark flow(const char *address, std::uint16_t port) {
    Mark mark;
    mark.flow(Ip::of(address), port);
    return mark;
}

Mark between(const char *from, const char *to) {
    Mark mark;
    mark.bytes(Ip::of(from).bytes() + Ip::of(to).bytes());
    return mark;
}

} // namespace

std::vector<Row> rows() {
    const bool up = true, down = false, host = false, box = true;
    const Fate clear = Fate::clear, tunnel = Fate::tunnel, stayed = Fate::stayed;
    return {
        {"web page, by the tunnel", up, host, flow("203.0.113.80", 443), page("203.0.113.80", 443), tunnel,
         tunnel},
        {"the VPN's own packets to its gateway", up, host, flow("198.51.100.7", 1195),
         page("203.0.113.80", 80), clear, clear},
        {"file server on the LAN", up, host, flow("10.9.0.77", 445), page("10.9.0.77", 445), clear, clear},
        {"DHCP, broadcast by a raw frame", up, host, between("0.0.0.0", "255.255.255.255"),
         frame(datagram("0.0.0.0", "255.255.255.255", 68, 67), ETH_P_IP, false), clear, clear},
        {"web page, IPv6 (the tunnel has none)", up, host, flow("2001:db8:f::80", 443),
         page("2001:db8:f::80", 443), clear, stayed},
        {"web page, program bound to eth0", up, host, flow("203.0.113.81", 443),
         page("203.0.113.81", 443, true), clear, stayed},
        {"web page, route pushed by DHCP", up, host, flow("203.0.113.200", 443), page("203.0.113.200", 443),
         clear, stayed},
        {"the same from a container", up, box, flow("203.0.113.200", 80), page("203.0.113.200", 80), clear,
         stayed},
        {"DNS to the router, by the C library", up, host, flow("10.9.0.1", 53), dns("10.9.0.1", true), clear,
         tunnel},
        {"DNS to the router, unconnected socket", up, host, flow("10.9.0.1", 53), dns("10.9.0.1", false),
         clear, tunnel},
        {"another program to the gateway's address", up, host, flow("198.51.100.7", 443),
         page("198.51.100.7", 443), clear, stayed},
        {"raw frame that claims to be ARP", up, host, flow("203.0.113.66", 9000),
         frame(datagram("10.9.0.2", "203.0.113.66", 9000, 9000), ETH_P_ARP, false), clear, stayed},
        {"raw frame, past the queues", up, host, flow("203.0.113.67", 9000),
         frame(datagram("10.9.0.2", "203.0.113.67", 9000, 9000), ETH_P_IP, true), clear, stayed},
        {"web page, after the tunnel broke", down, host, flow("203.0.113.80", 443), page("203.0.113.80", 443),
         clear, stayed},
        {"the same from a container", down, box, flow("203.0.113.82", 443), page("203.0.113.82", 443), clear,
         stayed},
        {"DNS to a public server", down, host, flow("203.0.113.53", 53), dns("203.0.113.53", false), clear,
         stayed},
        {"ping", down, host, between("10.9.0.2", "203.0.113.80"), ping("203.0.113.80"), clear, stayed},
    };
}

Sight send(World &world, const Row &row) {
    std::size_t position = world.wire().position();
    Sight sight;
    sight.trouble = as({.netns = (row.from_box ? world.box() : world.host()).fd()}, row.send);
    world.wire().settle();
    if (world.wire().count(row.mark, position) > 0)
        sight.fate = Fate::clear;
    else
        sight.fate = sight.trouble.empty() ? Fate::tunnel : Fate::stayed;
    return sight;
}

} // namespace lk::demo
