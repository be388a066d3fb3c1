// SPDX-License-Identifier: MIT
#include "harness/process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "base/fd.h"
#include "harness/sandbox.h"

namespace lk::harness {

namespace {

using Clock = std::chrono::steady_clock;

int patience() {
    const char *factor = std::getenv("LK_PATIENCE");
    return factor ? std::max(1, std::atoi(factor)) : 1;
}

int left_ms(Clock::time_point end) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(left);
}

// In the child, after fork: where and who it is, then exec.
[[noreturn]] void become(const std::vector<std::string> &argv, const RunOptions &options, int in, int out,
                         int err) {
    dup2(in, 0);
    dup2(out, 1);
    dup2(err, 2);
    signal(SIGPIPE, SIG_DFL);
    if (!options.cgroup.empty()) {
        Fd procs(open((options.cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
        if (write(procs.get(), "0", 1) != 1) perror("cgroup.procs"), _exit(126);
    }
    if (options.netns >= 0 && setns(options.netns, CLONE_NEWNET) < 0) perror("setns"), _exit(126);
    if (options.uid != 0 && (setgroups(0, nullptr) < 0 || setgid(options.uid) < 0 || setuid(options.uid) < 0))
        perror("setuid"), _exit(126);
    std::vector<char *> words;
    for (const std::string &word : argv)
        words.push_back(const_cast<char *>(word.c_str()));
    words.push_back(nullptr);
    execvp(words[0], words.data());
    dprintf(2, "%s: %s\n", words[0], strerror(errno));
    _exit(127);
}

struct Pipe {
    Fd read_end, write_end;
    Pipe() {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) throw std::runtime_error("pipe");
        read_end.reset(ends[0]);
        write_end.reset(ends[1]);
    }
};

// False at end of file.
bool drain(int fd, std::string &into) {
    char buffer[16384];
    ssize_t got = read(fd, buffer, sizeof(buffer));
    if (got > 0) into.append(buffer, static_cast<size_t>(got));
    return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

} // namespace

Output run(const std::vector<std::string> &argv, const RunOptions &options) {
    Pipe in, out, err;
    fflush(nullptr);
    pid_t pid = fork();
    if (pid < 0) throw std::runtime_error("fork");
    if (pid == 0) {
        setpgid(0, 0);
        become(argv, options, in.read_end.get(), out.write_end.get(), err.write_end.get());
    }
    in.read_end.reset();
    out.write_end.reset();
    err.write_end.reset();
    signal(SIGPIPE, SIG_IGN);
    fcntl(in.write_end.get(), F_SETFL, O_NONBLOCK);

    Output output;
    auto end = Clock::now() + options.timeout * patience();
    size_t sent = 0;
    int status = 0;
    bool exited = false;
    // A daemon left behind may hold the pipes: the exit of the program itself ends the reading.
    while (!exited && left_ms(end) > 0) {
        if (sent < options.input.size() && in.write_end) {
            ssize_t put = write(in.write_end.get(), options.input.data() + sent, options.input.size() - sent);
            if (put > 0) sent += static_cast<size_t>(put);
            if (put < 0 && errno != EAGAIN) in.write_end.reset();
        }
        if (sent == options.input.size()) in.write_end.reset();
        pollfd fds[2] = {{out.read_end.get(), POLLIN, 0}, {err.read_end.get(), POLLIN, 0}};
        poll(fds, 2, in.write_end ? 1 : 20);
        if ((fds[0].revents & (POLLIN | POLLHUP)) && !drain(out.read_end.get(), output.out))
            out.read_end.reset();
        if ((fds[1].revents & (POLLIN | POLLHUP)) && !drain(err.read_end.get(), output.err))
            err.read_end.reset();
        exited = waitpid(pid, &status, !out.read_end && !err.read_end ? 0 : WNOHANG) == pid;
    }
    if (!exited) {
        kill(-pid, SIGKILL);
        waitpid(pid, &status, 0);
        output.status = 124;
    } else {
        output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    for (auto [fd, text] : {std::pair{&out.read_end, &output.out}, std::pair{&err.read_end, &output.err}}) {
        if (!*fd) continue;
        fcntl(fd->get(), F_SETFL, O_NONBLOCK);
        for (pollfd one{fd->get(), POLLIN, 0};
             poll(&one, 1, 0) == 1 && (one.revents & POLLIN) && drain(fd->get(), *text);) {
        }
    }
    return output;
}

bool eventually(const std::function<bool()> &condition, std::chrono::milliseconds timeout) {
    auto end = Clock::now() + timeout * patience();
    for (int pause_ms = 1;; pause_ms = pause_ms < 20 ? pause_ms * 2 : 20) {
        if (condition()) return true;
        if (Clock::now() >= end) return false;
        poll(nullptr, 0, pause_ms);
    }
}

Background::Background(const std::vector<std::string> &argv, const RunOptions &options,
                       const std::string &log) {
    fflush(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
        Fd in(open("/dev/null", O_RDONLY | O_CLOEXEC));
        Fd out(open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
        become(argv, options, in.get(), out.get(), out.get());
    }
}

Background::Background(Background &&other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

Background &Background::operator=(Background &&other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
}

Background::~Background() {
    end(SIGKILL);
}

bool Background::alive() const {
    siginfo_t ended{}; // waitpid() knows no WNOWAIT
    return pid_ > 0 && waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
}

void Background::end(int signal_number) {
    if (pid_ <= 0) return;
    kill(pid_, signal_number);
    if (!eventually([this] { return waitpid(pid_, nullptr, WNOHANG) != 0; })) {
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
    pid_ = -1;
}

const std::string &leakbpf_binary() {
    static const std::string path = LK_LEAKBPF;
    return path;
}

Output leakbpf(int netns, const std::vector<std::string> &args, std::chrono::milliseconds timeout) {
    const Sandbox &sandbox = Sandbox::current();
    std::vector<std::string> argv = {leakbpf_binary(), "--bpffs", sandbox.bpffs(), "--cgroup-root",
                                     sandbox.cgroup_root()};
    argv.insert(argv.end(), args.begin(), args.end());
    return run(argv, {.netns = netns, .timeout = timeout});
}

} // namespace lk::harness
