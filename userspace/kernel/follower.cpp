// SPDX-License-Identifier: MIT
// Who follows this namespace. The claim is a flock, which ends with the process; who holds it is written
// beside it as pid and start time, because a pid alone may be somebody else's by now.
#include <bpf/bpf.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "kernel/follower.h"
#include "kernel/pidfd.h"
#include "kernel/process_start.h"
#include "kernel/state_impl.h"
#include "kernel/sys.h"

namespace lk {

namespace {

struct Process {
    std::uint64_t pid = 0;
    std::uint64_t start_ticks = 0; // since boot
};
constexpr MapShape process_shape{"lk_follower", BPF_MAP_TYPE_ARRAY, 4, sizeof(Process), 1};
constexpr __u32 zero = 0;

constexpr MapShape windows_shape{"lk_windows", BPF_MAP_TYPE_ARRAY, 4, sizeof(Windows), 1};

std::string windows_pin(const Pins &pins) {
    return pins.follow() + "/windows";
}

std::string process_pin(const Pins &pins) {
    return pins.follow() + "/process";
}

bool claimed(const Pins &pins) {
    auto directory = open_directory(pins.follow());
    return directory.error == 0 && ::flock(directory.fd.get(), LOCK_SH | LOCK_NB) != 0;
}

// A descriptor of the process, if it lives.
Fd living(const Process &process) {
    if (process.pid == 0) return Fd{};
    const auto pid = static_cast<pid_t>(process.pid);
    Fd pidfd = open_pidfd(pid);
    // Compared after the descriptor is there: from now on the pid cannot become somebody else's unseen.
    if (!pidfd || process_start_ticks(pid) != process.start_ticks) return Fd{};
    return pidfd;
}

// A descriptor of the living follower.
Fd follower_pidfd(const Pins &pins, Process &process) {
    auto map = RawMap::open(process_pin(pins), process_shape);
    if (!map || !map->lookup(&zero, &process)) return Fd{};
    Fd pidfd = living(process);
    return pidfd && claimed(pins) ? std::move(pidfd) : Fd{};
}

bool in_our_namespace(const Process &process) {
    struct stat ours {
    }, theirs{};
    return ::stat("/proc/thread-self/ns/net", &ours) == 0 &&
           ::stat(fmt::format("/proc/{}/ns/net", process.pid).c_str(), &theirs) == 0 &&
           ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

// VALUE into the map of SHAPE that is pinned at PATH, or a new one there.
Result<void> write_pinned(const MapShape &shape, const std::string &path, const void *value) {
    auto map = RawMap::open(path, shape);
    if (map) return map->put(&zero, value);
    auto made = RawMap::create(shape, 0);
    if (!made) return made.error();
    if (auto put = made->put(&zero, value); !put) return put;
    if (auto removed = remove_pin(path); !removed) return removed;
    if (bpf_obj_pin(made->fd(), path.c_str()) != 0) return system_error("cannot pin " + path, errno);
    return {};
}

Result<void> write_process(const Pins &pins) {
    const Process process{static_cast<std::uint64_t>(::getpid()),
                          process_start_ticks(::getpid()).value_or(0)};
    return write_pinned(process_shape, process_pin(pins), &process);
}

} // namespace

Result<std::optional<Fd>> State::claim_follower() {
    const auto &pins = impl_->pins;
    if (auto made = make_directory(pins.follow()); !made) return made.error();
    auto directory = open_directory(pins.follow());
    if (directory.error != 0) return system_error("cannot open " + pins.follow(), directory.error);
    // A few turns, because whoever looks whether there is a follower holds the lock for a moment.
    for (int turn = 0; ::flock(directory.fd.get(), LOCK_EX | LOCK_NB) != 0; ++turn) {
        if (errno != EWOULDBLOCK) return system_error("cannot lock " + pins.follow(), errno);
        if (turn == 10) return std::optional<Fd>{};
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    if (auto written = write_process(pins); !written) return written.error();
    if (auto told = tell_windows({}); !told) return told.error();
    return std::optional<Fd>{std::move(directory.fd)};
}

Result<void> State::tell_windows(const Windows &windows) const {
    return write_pinned(windows_shape, windows_pin(impl_->pins), &windows);
}

std::optional<Windows> State::windows() const {
    Windows windows;
    const auto map = RawMap::open(windows_pin(impl_->pins), windows_shape);
    if (!map || !map->lookup(&zero, &windows)) return std::nullopt;
    return windows;
}

std::optional<pid_t> State::follower() const {
    Process process;
    if (!follower_pidfd(impl_->pins, process)) return std::nullopt;
    return static_cast<pid_t>(process.pid);
}

namespace {

Result<void> end(const Process &process, const Fd &pidfd) {
    if (!pidfd || process.pid == static_cast<std::uint64_t>(::getpid())) return {};
    if (!send_signal(pidfd.get(), SIGTERM) && errno != ESRCH)
        return system_error(fmt::format("cannot end the follower, process {}", process.pid), errno);
    if (ended(pidfd.get(), std::chrono::seconds{5})) return {};
    // Stopped or stuck: nothing is lost with it, the policy is the kernel's.
    send_signal(pidfd.get(), SIGKILL);
    if (ended(pidfd.get(), std::chrono::seconds{5})) return {};
    return failure(fmt::format("the follower, process {}, does not end, not even by SIGKILL", process.pid));
}

} // namespace

Result<void> end_follower_of(const Pins &pins) {
    Process process;
    const Fd pidfd = follower_pidfd(pins, process);
    return end(process, pidfd);
}

Result<void> end_unseen_followers() {
    for (__u32 id = 0; bpf_map_get_next_id(id, &id) == 0;) {
        const auto map = RawMap::open_by_id(id, process_shape);
        const auto object = map ? identify(map->fd()) : std::nullopt;
        Process process;
        if (!object || object->name != process_shape.name || !map->lookup(&zero, &process)) continue;
        const Fd pidfd = living(process);
        if (!pidfd || !in_our_namespace(process)) continue;
        if (auto ended = end(process, pidfd); !ended) return ended;
    }
    return {};
}

Result<void> State::end_follower() {
    return end_follower_of(impl_->pins);
}

void State::nudge_follower() const {
    Process process;
    if (const auto pidfd = follower_pidfd(impl_->pins, process)) send_signal(pidfd.get(), SIGUSR1);
}

} // namespace lk
