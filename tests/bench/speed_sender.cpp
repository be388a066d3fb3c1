// SPDX-License-Identifier: MIT
#include "bench/speed_sender.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>

#include "bench/speed_port.h"
#include "harness/must.h"
#include "harness/sender.h"

namespace lk::bench {

using namespace harness;

namespace {

constexpr std::size_t payload_bytes = 1200, bulk_bytes = 1 << 17;
constexpr unsigned batch = 32; // datagrams between two looks at the clock

const Ip lan_host = Ip::of("10.9.0.77"), stranger = Ip::of("203.0.113.200");

double now_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// From its making on.
class Watch {
  public:
    explicit Watch(double limit_ms) : until_(wall_ + limit_ms * 1e6) {}
    bool over() const { return now_ns(CLOCK_MONOTONIC) >= until_; }
    Slice per(double count) const {
        if (count <= 0) return {};
        const double wall = now_ns(CLOCK_MONOTONIC) - wall_, cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_;
        return {.cost_ns = cpu / count, .per_second = count / wall * 1e9};
    }

  private:
    double wall_ = now_ns(CLOCK_MONOTONIC), cpu_ = now_ns(CLOCK_THREAD_CPUTIME_ID), until_;
};

SockAddr destination(Task task) {
    switch (task) {
    case Task::lan: return {lan_host, LK_SPEED_PORT};
    case Task::blocked: return {stranger, LK_SPEED_PORT};
    case Task::refused: return {stranger, 443};
    case Task::bulk:
    case Task::connect: return {gateway4, 443};
    case Task::gateway: break;
    }
    return {gateway4, LK_SPEED_PORT};
}

// 0 or errno, in the end or when PATIENCE_MS are over.
int connect_within(int fd, const SockAddr &to, unsigned patience_ms) {
    if (connect(fd, to.get(), to.length) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd ready{fd, POLLOUT, 0};
    if (poll(&ready, 1, static_cast<int>(patience_ms)) != 1) return ETIMEDOUT;
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

double median(std::vector<double> values) {
    return middle(std::move(values)).value;
}

} // namespace

unsigned last_byte(Task task) {
    const SockAddr to = destination(task);
    return ntohl(reinterpret_cast<const sockaddr_in *>(to.get())->sin_addr.s_addr) & 255;
}

SpeedSender::SpeedSender(const Subject &subject, Fd listener, int reader)
    : subject_(subject), listener_(std::move(listener)), reader_(reader) {
    if (subject.uid) must(setresuid(subject.uid, subject.uid, subject.uid) == 0, "becoming the sender");
}

Slice SpeedSender::run(Task task, const Limits &limits) {
    switch (task) {
    case Task::connect:
    case Task::refused: return connects(task, limits);
    case Task::bulk: return bulk(limits);
    default: return datagrams(task, limits);
    }
}

Fd SpeedSender::open_socket(int type) const {
    Fd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    must(static_cast<bool>(fd), "socket");
    const int mark = static_cast<int>(subject_.mark);
    if (mark) must(setsockopt(fd.get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0, "mark");
    return fd;
}

int SpeedSender::socket_of(Task task) {
    Fd &fd = sockets_[task];
    if (fd) return fd.get();
    fd = open_socket(task == Task::bulk ? SOCK_STREAM : SOCK_DGRAM);
    const SockAddr to = destination(task);
    must(connect(fd.get(), to.get(), to.length) == 0, "connect");
    if (task == Task::bulk) {
        const Fd accepted(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        must(static_cast<bool>(accepted), "accept");
        send_fd(reader_, accepted.get());
    }
    return fd.get();
}

// Errors are none here: a filter may tell of what it refused with each that follows.
Slice SpeedSender::datagrams(Task task, const Limits &limits) {
    const int fd = socket_of(task);
    static const Bytes payload = filler(payload_bytes);
    for (unsigned i = 0; i < batch; ++i)
        send(fd, payload.data(), payload.size(), MSG_DONTWAIT);
    unsigned long sent = 0, failed = 0;
    const Watch watch(limits.slice_ms);
    do {
        for (unsigned i = 0; i < batch; ++i)
            if (send(fd, payload.data(), payload.size(), MSG_DONTWAIT) < 0) ++failed;
        sent += batch;
    } while (!watch.over());
    Slice slice = watch.per(static_cast<double>(sent));
    slice.sent = sent + batch;
    slice.failures = failed;
    return slice;
}

// With the making of the socket. The median of a slice, since one that was disturbed says nothing. This
// process accepts by itself, so that nobody has to be woken.
Slice SpeedSender::connects(Task task, const Limits &limits) {
    const SockAddr to = destination(task);
    const linger at_once{1, 0};
    std::vector<double> took;
    Slice slice;
    const Watch watch(limits.slice_ms);
    for (unsigned i = 0; i < limits.connects && !watch.over(); ++i) {
        const double since = now_ns(CLOCK_MONOTONIC);
        const Fd fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);
        const int error = connect_within(fd.get(), to, limits.patience_ms);
        took.push_back(now_ns(CLOCK_MONOTONIC) - since);
        setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        const bool told = error != 0 && error != ETIMEDOUT;
        if (task == Task::refused ? !told : error != 0) ++slice.failures;
        while (error == 0 && Fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC))) {
        }
    }
    slice.per_second = watch.per(static_cast<double>(took.size())).per_second;
    slice.cost_ns = median(std::move(took));
    return slice;
}

// Until all of it has been acknowledged, so that no slice pays for another's.
Slice SpeedSender::bulk(const Limits &limits) {
    const int fd = socket_of(Task::bulk);
    static const Bytes data = filler(bulk_bytes);
    double sent = 0;
    const Watch watch(limits.slice_ms * 5); // somebody has to be woken at its beginning
    while (!watch.over()) {
        const ssize_t put = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        must(put > 0, "sending in bulk");
        sent += static_cast<double>(put);
    }
    for (int left = 1; left > 0;)
        must(ioctl(fd, SIOCOUTQ, &left) == 0, "what is not acknowledged");
    return watch.per(sent);
}

} // namespace lk::bench
