// SPDX-License-Identifier: MIT
#include "control/follower_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/fd.h"

namespace lk {

namespace {

constexpr std::chrono::seconds start_limit{15};

// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_follower(int out, char *const *argv) {
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGQUIT})
        signal(number, SIG_DFL);
    const int null = open("/dev/null", O_RDWR);
    // stdout and stderr are the pipe to attach, which nobody reads any more once attach is done.
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(out, 1) >= 0 && dup2(out, 2) >= 0 && chdir("/") == 0) {
        for (int fd = 3; fd < 1024; ++fd)
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        execv("/proc/self/exe", argv);
    }
    _exit(127);
}

// All that the child writes until its first line is complete or it ends.
std::string first_line(int fd) {
    std::string text;
    const auto deadline = std::chrono::steady_clock::now() + start_limit;
    while (text.find('\n') == std::string::npos) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd poll_fd{fd, POLLIN, 0};
        if (left.count() <= 0) break;
        const int ready = poll(&poll_fd, 1, static_cast<int>(left.count()));
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) break;
        std::array<char, 512> buffer;
        const ssize_t got = read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text.substr(0, text.find('\n'));
}

} // namespace

Result<FollowerStart> FollowerStart::begin(const Place &place) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return failure(fmt::format("the follower could not be started: pipe: {}", std::strerror(errno)));
    Fd read_end(ends[0]);
    const Fd write_end(ends[1]);
    std::array<std::string, 6> words{"leakbpf",       "--bpffs",         place.bpffs,
                                     "--cgroup-root", place.cgroup_root, "follow"};
    std::array<char *, words.size() + 1> argv{};
    for (std::size_t index = 0; index < words.size(); ++index)
        argv[index] = words[index].data();
    const pid_t pid = fork();
    if (pid < 0)
        return failure(fmt::format("the follower could not be started: fork: {}", std::strerror(errno)));
    if (pid == 0) become_follower(write_end.get(), argv.data());
    return FollowerStart(pid, std::move(read_end));
}

FollowerStart::FollowerStart(FollowerStart &&other) noexcept
    : pid_(std::exchange(other.pid_, 0)), out_(std::move(other.out_)) {}

FollowerStart::~FollowerStart() {
    end();
}

void FollowerStart::end() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
}

Result<pid_t> FollowerStart::follows() {
    const std::string line = first_line(out_.get());
    if (line.starts_with(following_line)) return std::exchange(pid_, 0);
    end(); // it failed by itself, or hangs
    return failure(line.empty() ? fmt::format("the follower did not answer within {} s", start_limit.count())
                                : "the follower ended: " + line);
}

Result<pid_t> start_follower(const Place &place) {
    Result<FollowerStart> start = FollowerStart::begin(place);
    if (!start) return start.error();
    return start->follows();
}

} // namespace lk
