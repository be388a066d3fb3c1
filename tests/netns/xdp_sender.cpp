// SPDX-License-Identifier: MIT
#include "xdp_sender.h"

#include <linux/if_xdp.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "leak_case.h"

namespace lk::harness {

namespace {

constexpr int ring_entries = 8;
constexpr unsigned chunk_bytes = 2048;

void set(int fd, int option, const void *value, socklen_t length, const char *what) {
    must(setsockopt(fd, SOL_XDP, option, value, length), what);
}

} // namespace

void send_by_xdp(const std::string &device, const Bytes &frame) {
    Fd fd(must(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0), "AF_XDP socket"));
    void *memory =
        mmap(nullptr, ring_entries * chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("memory of the AF_XDP socket");
    memcpy(memory, frame.data(), frame.size());
    xdp_umem_reg region{};
    region.addr = reinterpret_cast<std::uint64_t>(memory);
    region.len = ring_entries * chunk_bytes;
    region.chunk_size = chunk_bytes;
    set(fd.get(), XDP_UMEM_REG, &region, sizeof(region), "XDP_UMEM_REG");
    int entries = ring_entries;
    set(fd.get(), XDP_UMEM_FILL_RING, &entries, sizeof(entries), "XDP_UMEM_FILL_RING");
    set(fd.get(), XDP_UMEM_COMPLETION_RING, &entries, sizeof(entries), "XDP_UMEM_COMPLETION_RING");
    set(fd.get(), XDP_TX_RING, &entries, sizeof(entries), "XDP_TX_RING");
    xdp_mmap_offsets offsets{};
    socklen_t length = sizeof(offsets);
    must(getsockopt(fd.get(), SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length), "XDP_MMAP_OFFSETS");
    auto *ring = static_cast<char *>(mmap(nullptr, offsets.tx.desc + ring_entries * sizeof(xdp_desc),
                                          PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(),
                                          XDP_PGOFF_TX_RING));
    if (ring == MAP_FAILED) fail("mapping the AF_XDP ring");
    sockaddr_xdp to{};
    to.sxdp_family = AF_XDP;
    to.sxdp_flags = XDP_COPY;
    to.sxdp_ifindex = if_nametoindex(device.c_str());
    // The queue is busy for a moment after the socket that had it was closed.
    int bound = -1;
    eventually([&] {
        return (bound = bind(fd.get(), reinterpret_cast<sockaddr *>(&to), sizeof(to))) == 0 || errno != EBUSY;
    });
    must(bound, "binding the AF_XDP socket");
    auto *desc = reinterpret_cast<xdp_desc *>(ring + offsets.tx.desc);
    desc[0] = {0, static_cast<std::uint32_t>(frame.size()), 0};
    reinterpret_cast<std::atomic<std::uint32_t> *>(ring + offsets.tx.producer)
        ->store(1, std::memory_order_release);
    must(sendto(fd.get(), nullptr, 0, MSG_DONTWAIT, nullptr, 0), "sending by AF_XDP");
}

} // namespace lk::harness
