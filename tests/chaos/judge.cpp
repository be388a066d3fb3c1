// SPDX-License-Identifier: MIT
#include "chaos/judge.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "base/fd.h"
#include "chaos/world.h"

namespace lk::chaos {

namespace {

constexpr int buffer_bytes = 64 << 20;
constexpr std::size_t snap_bytes = 128;
constexpr int stop_looks_ms = 50;

std::uint16_t port_at(const unsigned char *at) {
    return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
}

struct Frame {
    const unsigned char *data;
    std::size_t length;
};

// The flow that FRAME is addressed to, wherever in its first bytes the address is; none: another's.
const Flow *addressed(const Frame &frame, std::size_t &index) {
    const std::string_view bytes(reinterpret_cast<const char *>(frame.data), frame.length);
    for (index = 0; index < flows().size(); index += 2) // a datagram's and a SYN's flow share the address
        if (bytes.find(flows()[index].dst.bytes()) != std::string_view::npos) return &flows()[index];
    return nullptr;
}

// The number of the packet, and in INDEX its flow; -1: no sender made it.
std::int64_t numbered(const Frame &frame, std::size_t &index, const Ledger &ledger) {
    const bool v4 = flows()[index].dst.family == 4;
    const std::size_t upper = ETH_HLEN + (v4 ? 20 : 40);
    if (frame.length < upper + 20) return -1;
    const unsigned char protocol = frame.data[ETH_HLEN + (v4 ? 9 : 6)];
    const unsigned char *ports = frame.data + upper;
    std::uint64_t number = 0;
    if (protocol == IPPROTO_TCP) {
        index += 1;
        number = (port_at(ports + 2) - syn_first_port) * syn_ports + port_at(ports) - syn_first_source;
    } else if (protocol == IPPROTO_UDP && frame.length >= upper + 8 + 16) {
        std::uint64_t which = 0;
        std::memcpy(&which, ports + 8, 8);
        std::memcpy(&number, ports + 16, 8);
        if (which != index) return -1;
    } else {
        return -1;
    }
    if (number > ledger.shared().sent[index] || number >= Ledger::capacity) return -1;
    return static_cast<std::int64_t>(number);
}

void judge(const Frame &frame, Ledger &ledger) {
    Ledger::Shared &shared = ledger.shared();
    ++shared.judged;
    std::size_t index = 0;
    if (frame.length < ETH_HLEN || !addressed(frame, index)) return;
    const std::int64_t number = numbered(frame, index, ledger);
    if (number < 0) {
        ++shared.unlike;
        return;
    }
    Packet &packet = ledger.packet(index, static_cast<std::uint64_t>(number));
    packet.uplink = World::uplink_of_far_mac(frame.data);
    packet.arrived = ledger.now();
}

void judge_all(int fd, Ledger &ledger) {
    std::array<unsigned char, snap_bytes> buffer;
    while (!ledger.shared().ended) {
        pollfd wait{fd, POLLIN, 0};
        if (poll(&wait, 1, stop_looks_ms) <= 0) continue;
        for (;;) {
            sockaddr_ll from{};
            socklen_t length = sizeof(from);
            const ssize_t got =
                recvfrom(fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr *>(&from), &length);
            if (got < 0 && (errno == ENETDOWN || errno == ENXIO || errno == EINTR)) continue;
            if (got < 0) break;
            if (from.sll_pkttype != PACKET_OUTGOING)
                judge({buffer.data(), static_cast<std::size_t>(got)}, ledger);
        }
        tpacket_stats lost{};
        socklen_t length = sizeof(lost);
        if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &lost, &length) == 0)
            ledger.shared().unread += lost.tp_drops;
    }
}

} // namespace

std::unique_ptr<harness::Helper> start_judge(const harness::Netns &far, Ledger &ledger) {
    return std::make_unique<harness::Helper>(
        harness::Identity{.netns = far.fd()}, [&ledger](const std::function<void()> &ready) {
            const Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)));
            if (!fd ||
                setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) != 0)
                throw std::runtime_error("no packet socket for the judge");
            ready();
            judge_all(fd.get(), ledger);
        });
}

} // namespace lk::chaos
