// SPDX-License-Identifier: MIT
#include "harness/capture.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/must.h"
#include "harness/process.h"

namespace lk::harness {

namespace {

constexpr std::uint16_t fence_type = 0x88b5; // for local experiments (IEEE 802)
constexpr int buffer_bytes = 128 << 20;
constexpr int hops = 4; // network namespaces that a packet may cross on its way

} // namespace

bool Mark::in(const Bytes &frame) const {
    for (const Pattern &pattern : patterns)
        for (std::size_t at = frame.find(pattern.head); at != Bytes::npos;
             at = frame.find(pattern.head, at + 1))
            if (pattern.tail.empty() ||
                (at + pattern.head.size() + pattern.gap + pattern.tail.size() <= frame.size() &&
                 frame.compare(at + pattern.head.size() + pattern.gap, pattern.tail.size(), pattern.tail) ==
                     0))
                return true;
    return false;
}

Capture::Capture(const Netns &far) : far_(far) {
    far.ip("link add fence0 type veth peer name fence1\nlink set fence0 up\nlink set fence1 up");
    fence_in_ = far.ifindex("fence0");
    fence_out_ = far.ifindex("fence1");
    far.inside([&] {
        socket_.reset(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)));
        must(bool(socket_), "socket");
        fence_.reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        must(bool(fence_), "socket");
    });
    must(setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof(buffer_bytes)) == 0,
         "buffer");
}

void Capture::leave_out(const std::string &device) {
    left_out_.push_back(far_.ifindex(device));
}

void Capture::drain() {
    static std::vector<char> buffer(1 << 18);
    for (;;) {
        sockaddr_ll from{};
        socklen_t length = sizeof(from);
        ssize_t got = recvfrom(socket_.get(), buffer.data(), buffer.size(), MSG_TRUNC,
                               reinterpret_cast<sockaddr *>(&from), &length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == ENETDOWN || errno == ENXIO)) continue; // a device went away
        if (got < 0) break;
        if (from.sll_pkttype == PACKET_OUTGOING || from.sll_hatype != ARPHRD_ETHER) continue;
        if (from.sll_ifindex == fence_in_ || std::ranges::count(left_out_, from.sll_ifindex)) continue;
        if (from.sll_ifindex == fence_out_) {
            if (ntohs(from.sll_protocol) == fence_type) fence_seen_++;
            continue;
        }
        frames_.emplace_back(buffer.data(),
                             std::min<std::size_t>(static_cast<std::size_t>(got), buffer.size()));
    }
    tpacket_stats lost{};
    socklen_t length = sizeof(lost);
    must(getsockopt(socket_.get(), SOL_PACKET, PACKET_STATISTICS, &lost, &length) == 0, "statistics");
    if (lost.tp_drops) throw std::runtime_error(fmt::format("capture: {} frames were lost", lost.tp_drops));
}

void Capture::settle() {
    cpu_set_t before;
    sched_getaffinity(0, sizeof(before), &before);
    Bytes frame = ethernet(filler(6), filler(6), fence_type, filler(46));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(fence_type);
    to.sll_ifindex = fence_in_;
    for (int round = 0; round < hops; round++)
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (!CPU_ISSET(cpu, &before)) continue;
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof(one), &one);
            must(sendto(fence_.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr *>(&to),
                        sizeof(to)) > 0,
                 "sending a fence");
            fence_sent_++;
            must(eventually([&] {
                     drain();
                     return fence_seen_ >= fence_sent_;
                 }),
                 "waiting for a fence");
        }
    sched_setaffinity(0, sizeof(before), &before);
}

std::size_t Capture::position() {
    drain();
    return frames_.size();
}

std::size_t Capture::count(const Mark &mark, std::size_t since) {
    drain();
    return static_cast<std::size_t>(
        std::count_if(frames_.begin() + static_cast<long>(std::min(since, frames_.size())), frames_.end(),
                      [&](const Bytes &frame) { return mark.in(frame); }));
}

bool Capture::awaits(const Mark &mark, std::size_t since) {
    return eventually([&] { return count(mark, since) > 0; }, 2s);
}

} // namespace lk::harness
