// SPDX-License-Identifier: MIT
#include "bench/speed_flood.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <new>

#include "bench/speed_port.h"
#include "harness/must.h"

namespace lk::bench {

using namespace harness;

namespace {

constexpr std::size_t payload_bytes = 64;
constexpr long pause_ns = 100'000;

std::uint64_t now_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

void *shared_memory(std::size_t bytes) {
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    return memory;
}

} // namespace

struct Flood::Counters {
    std::atomic<std::uint64_t> sent{0}, told{0},
        lasted_ns{0}; // told: of an earlier packet, and none was made
    std::atomic<bool> stop{false}, stopped{false};
    void run(const Ip &to);
};

unsigned Pace::due(std::uint64_t now_ns) {
    owed_ = std::min(owed_ + static_cast<double>(now_ns - last_ns_) * per_ns_, most_behind);
    last_ns_ = now_ns;
    const unsigned count = std::min(static_cast<unsigned>(owed_), most_at_once);
    owed_ -= count;
    return count;
}

void Flood::Counters::run(const Ip &to) {
    prctl(PR_SET_TIMERSLACK, 1);
    const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const SockAddr address(to, LK_SPEED_PORT);
    must(connect(fd.get(), address.get(), address.length) == 0, "connect");
    const Bytes payload = filler(payload_bytes);
    const timespec pause{0, pause_ns};
    const std::uint64_t since = now_ns();
    for (Pace pace(per_second, since); !stop && sent < most_packets;) {
        const unsigned due = pace.due(now_ns());
        for (unsigned i = 0; i < due; ++i) {
            const bool made = send(fd.get(), payload.data(), payload.size(), MSG_DONTWAIT) >= 0 ||
                              errno == EPERM || errno == ENOBUFS || errno == EAGAIN;
            if (!made) ++told;
            ++sent;
        }
        if (due < Pace::most_at_once) nanosleep(&pause, nullptr);
    }
    lasted_ns = now_ns() - since;
    stopped = true;
}

Flood::Flood(const SpeedWorld &world, const Ip &to)
    : counters_(new (shared_memory(sizeof(Counters))) Counters),
      sender_(Identity{.netns = world.host_fd()}, [&](const auto &ready) {
          world.enter_cgroup();
          ready();
          counters_->run(to);
      }) {}

Flood::~Flood() {
    munmap(counters_, sizeof(Counters));
}

std::uint64_t Flood::sent() const {
    return counters_->sent;
}

void Flood::stop() {
    counters_->stop = true;
    must(eventually([this] { return counters_->stopped.load(); }), "stopping a flood");
}

double Flood::reached_per_second() const {
    const std::uint64_t packets = counters_->sent - counters_->told;
    return static_cast<double>(packets) * 1e9 / static_cast<double>(counters_->lasted_ns);
}

} // namespace lk::bench
