// SPDX-License-Identifier: MIT
// Place and Lock. A directory that somebody waits for can be removed by its holder, so whoever gets the
// lock looks whether the path still leads to what he locked.
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "kernel/pidfd.h"
#include "kernel/pins.h"
#include "kernel/state.h"
#include "kernel/sys.h"

namespace lk {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds passing{1}; // longer than anybody has the lock of all namespaces

// flock has no time-out of its own. True: locked.
bool lock_until(int fd, Clock::time_point deadline) {
    auto pause = std::chrono::milliseconds{1};
    for (;;) {
        if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK && errno != EINTR) return false;
        if (Clock::now() >= deadline) return false;
        std::this_thread::sleep_for(pause);
        if (pause < std::chrono::milliseconds{20}) pause *= 2;
    }
}

bool still_at(int fd, const std::string &path) {
    struct stat held {
    }, named{};
    return ::fstat(fd, &held) == 0 && ::lstat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

Error cannot_open(const std::string &path, int error) {
    if (error == EPERM)
        return {Exit::permission,
                fmt::format("{} belongs to somebody else or others may write to it, so what is in it "
                            "cannot be trusted: remove it",
                            path)};
    return system_error(fmt::format("cannot open {}", path), error);
}

// Of a line of /proc/locks: the process that holds a flock on the file. "1: FLOCK  ADVISORY  WRITE 812
// 00:1d:1045 0 EOF"; those that wait have an arrow in the second place.
std::optional<pid_t> flock_holder(const std::string &line, const struct stat &file) {
    std::istringstream words(line);
    std::string number, kind, mode, access, inode;
    pid_t pid = 0;
    if (!(words >> number >> kind >> mode >> access >> pid >> inode) || kind != "FLOCK" || pid <= 0)
        return {};
    if (inode != fmt::format("{:02x}:{:02x}:{}", major(file.st_dev), minor(file.st_dev), file.st_ino))
        return {};
    return pid;
}

std::set<pid_t> flock_holders(const std::string &path) {
    std::set<pid_t> found;
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0) return found;
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);)
        if (const auto pid = flock_holder(line, file)) found.insert(*pid);
    found.erase(::getpid());
    return found;
}

} // namespace

std::string Place::directory() const {
    return fmt::format("{}/{}/{}{}", bpffs, root_name, namespace_prefix(netns_cookie), LK_ABI_VERSION);
}

Result<Lock> Lock::take(const Place &place, std::chrono::milliseconds timeout) {
    return take(place.bpffs, place.directory(), "the filter of this network namespace", timeout);
}

Result<Lock> Lock::take(const std::string &bpffs, const std::string &directory, std::string_view what,
                        std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    const auto root = fmt::format("{}/{}", bpffs, root_name);
    const Error busy{Exit::busy, fmt::format("another leakbpf is changing {} ({} is locked, waited {} ms): "
                                             "try again when it is done",
                                             what, directory, timeout.count())};
    do {
        if (auto made = make_directory(root); !made) return made.error();
        auto outer = open_directory(root);
        if (outer.error == ENOENT) continue;
        if (outer.error != 0) return cannot_open(root, outer.error);
        if (!lock_until(outer.fd.get(), deadline)) return busy;
        if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
            if (errno == ENOENT) continue;
            return system_error(fmt::format("cannot make the directory {}", directory), errno);
        }
        auto inner = open_directory(directory);
        outer.fd.reset();
        if (inner.error == ENOENT) continue;
        if (inner.error != 0) return cannot_open(directory, inner.error);
        if (!lock_until(inner.fd.get(), deadline)) return busy;
        if (still_at(inner.fd.get(), directory)) return Lock{std::move(inner.fd), directory};
    } while (Clock::now() < deadline);
    return busy;
}

void Lock::end_holders(const Place &place) {
    for (const auto &path : {fmt::format("{}/{}", place.bpffs, root_name), place.directory()}) {
        // Whoever has it for a moment, as another network namespace's commands have the first, is left alone.
        const std::set<pid_t> before = flock_holders(path);
        const auto directory = open_directory(path);
        if (directory.error != 0 || lock_until(directory.fd.get(), Clock::now() + passing)) continue;
        for (const pid_t pid : flock_holders(path)) {
            const Fd pidfd = open_pidfd(pid);
            // Looked at once more: from now on the pid cannot become somebody else's unseen.
            if (!pidfd || !before.contains(pid) || !flock_holders(path).contains(pid)) continue;
            send_signal(pidfd.get(), SIGKILL);
            ended(pidfd.get(), std::chrono::seconds{5});
        }
    }
}

Lock::~Lock() {
    if (!fd_) return;
    // Both fail where there is something inside, which is then meant to stay.
    if (still_at(fd_.get(), directory_) && ::rmdir(directory_.c_str()) == 0)
        ::rmdir(directory_.substr(0, directory_.rfind('/')).c_str());
}

} // namespace lk
