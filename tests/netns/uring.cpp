// SPDX-License-Identifier: MIT
#include "uring.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>

#include "leak_case.h"

namespace lk::harness {

namespace {

// Without WAIT nothing is returned but 0: the request has been issued.
int submit(bool wait, const std::function<void(io_uring_sqe &)> &fill) {
    io_uring_params params{};
    Fd ring(must(syscall(SYS_io_uring_setup, 1, &params), "io_uring_setup"));
    auto map = [&](std::size_t size, off_t offset) {
        void *at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.get(), offset);
        if (at == MAP_FAILED) fail("mapping an io_uring");
        return static_cast<std::uint8_t *>(at);
    };
    std::uint8_t *sq =
        map(params.sq_off.array + params.sq_entries * sizeof(std::uint32_t), IORING_OFF_SQ_RING);
    std::uint8_t *cq = map(params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING);
    auto *sqes =
        reinterpret_cast<io_uring_sqe *>(map(params.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
    sqes[0] = {};
    fill(sqes[0]);
    *reinterpret_cast<std::uint32_t *>(sq + params.sq_off.array) = 0;
    reinterpret_cast<std::atomic<std::uint32_t> *>(sq + params.sq_off.tail)
        ->store(1, std::memory_order_release);
    unsigned wanted = wait ? 1 : 0;
    must(syscall(SYS_io_uring_enter, ring.get(), 1, wanted, IORING_ENTER_GETEVENTS, nullptr, 0),
         "io_uring_enter");
    return !wait ? 0 : reinterpret_cast<io_uring_cqe *>(cq + params.cq_off.cqes)->res;
}

} // namespace

int uring_sendmsg(int fd, const msghdr &message) {
    return submit(true, [&](io_uring_sqe &sqe) {
        sqe.opcode = IORING_OP_SENDMSG;
        sqe.fd = fd;
        sqe.addr = reinterpret_cast<std::uint64_t>(&message);
        sqe.len = 1;
    });
}

void uring_connect(int fd, const sockaddr *to, socklen_t length) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    submit(false, [&](io_uring_sqe &sqe) {
        sqe.opcode = IORING_OP_CONNECT;
        sqe.fd = fd;
        sqe.addr = reinterpret_cast<std::uint64_t>(to);
        sqe.off = length;
    });
}

} // namespace lk::harness
