// SPDX-License-Identifier: MIT
#include "harness/sender.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/message.h"
#include "harness/must.h"

namespace lk::harness {

void become(uid_t uid, bool keep_raw) {
    if (uid == 0) return;
    if (keep_raw) prctl(PR_SET_KEEPCAPS, 1);
    must(setgroups(0, nullptr) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0,
         "becoming a user");
    prctl(PR_SET_DUMPABLE, 1);
    if (!keep_raw) return;
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    data[0].effective = data[0].permitted = 1u << CAP_NET_RAW;
    must(syscall(SYS_capset, &header, data) == 0, "keeping CAP_NET_RAW");
}

namespace {

std::map<int, std::string> homes; // by network namespace

void enter(const Identity &identity) {
    signal(SIGPIPE, SIG_IGN);
    if (const auto home = homes.find(identity.netns); home != homes.end()) enter_cgroup(home->second);
    if (identity.netns >= 0 && setns(identity.netns, CLONE_NEWNET) < 0)
        throw std::runtime_error(fmt::format("setns: {}", strerror(errno)));
    become(identity.uid, identity.keep_raw);
}

} // namespace

void enter_cgroup(const std::string &path) {
    const Fd procs(open((path + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    must(write(procs.get(), "0", 1) == 1, "entering " + path);
}

Housed::Housed(int netns, const std::string &path) : netns_(netns) {
    homes[netns] = path;
}

Housed::~Housed() {
    homes.erase(netns_);
}

std::string as(const Identity &identity, const std::function<void()> &body, std::chrono::milliseconds limit) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) throw std::runtime_error("pipe");
    Fd from(ends[0]), to(ends[1]);
    fflush(nullptr);
    pid_t pid = fork();
    if (pid < 0) throw std::runtime_error("fork");
    if (pid == 0) {
        try {
            enter(identity);
            body();
        } catch (const std::exception &error) {
            dprintf(to.get(), "%s", error.what());
        }
        _exit(0);
    }
    to.reset();
    Background child(pid); // ended in any case
    std::string text;
    auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
        auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now())
                .count();
        pollfd fd{from.get(), POLLIN, 0};
        if (left <= 0 || poll(&fd, 1, static_cast<int>(left)) <= 0)
            return text + "(still running after the time limit)";
        char buffer[512];
        ssize_t got = read(from.get(), buffer, sizeof(buffer));
        if (got <= 0) break;
        text.append(buffer, static_cast<std::size_t>(got));
    }
    return text;
}

Helper::Helper(const Identity &identity, const std::function<void(const std::function<void()> &)> &body) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) throw std::runtime_error("pipe");
    Fd from(ends[0]), to(ends[1]);
    fflush(nullptr);
    pid_t pid = fork();
    if (pid < 0) throw std::runtime_error("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        try {
            enter(identity);
            body([&] { dprintf(to.get(), "+"); });
        } catch (const std::exception &error) {
            dprintf(to.get(), "-%s", error.what());
        }
        _exit(0);
    }
    process_ = Background(pid);
    to.reset();
    pollfd fd{from.get(), POLLIN, 0};
    char buffer[512];
    ssize_t got = poll(&fd, 1, 5000) == 1 ? read(from.get(), buffer, sizeof(buffer)) : 0;
    if (got < 1 || buffer[0] != '+')
        throw std::runtime_error("helper: " +
                                 std::string(buffer, static_cast<std::size_t>(got > 0 ? got : 0)));
}

Puppet::Puppet(const Identity &identity, const std::function<void(const std::function<void()> &)> &body) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        throw std::runtime_error("socketpair");
    Fd mine(ends[0]), theirs(ends[1]);
    fflush(nullptr);
    pid_t pid = fork();
    if (pid < 0) throw std::runtime_error("fork");
    if (pid == 0) {
        mine.reset();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char go;
        try {
            enter(identity);
            body([&] {
                if (write(theirs.get(), "+", 1) != 1 || read(theirs.get(), &go, 1) != 1) _exit(0);
            });
            dprintf(theirs.get(), "+");
        } catch (const std::exception &error) {
            dprintf(theirs.get(), "-%s", error.what());
        }
        _exit(0);
    }
    process_ = Background(pid);
    channel_ = std::move(mine);
    theirs.reset();
    std::string trouble = awaits();
    if (!trouble.empty()) throw std::runtime_error("puppet: " + trouble);
}

std::string Puppet::awaits() {
    pollfd fd{channel_.get(), POLLIN, 0};
    char buffer[512];
    if (poll(&fd, 1, 5000) != 1) return "no step was finished in time";
    ssize_t got = read(channel_.get(), buffer, sizeof(buffer));
    if (got < 1) return "it died";
    return buffer[0] == '+' ? "" : std::string(buffer + 1, static_cast<std::size_t>(got - 1));
}

std::string Puppet::step() {
    if (write(channel_.get(), "n", 1) != 1) return "it is gone";
    return awaits();
}

void inject(const std::string &device, const std::vector<Bytes> &frames, bool l3) {
    const Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    must(bool(fd), "packet socket");
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(if_nametoindex(device.c_str()));
    to.sll_halen = l3 ? 0 : 6;
    for (const Bytes &frame : frames) {
        const std::uint16_t type = htons(frame[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
        memcpy(&to.sll_protocol, l3 ? reinterpret_cast<const char *>(&type) : &frame[12], 2);
        const ssize_t sent = sendto(fd.get(), frame.data(), frame.size(), 0,
                                    reinterpret_cast<const sockaddr *>(&to), sizeof(to));
        must(sent > 0 || errno == ENOBUFS, "sending a frame");
    }
}

void send_fd(int channel, int fd) {
    Bytes byte = "f";
    Message message(SockAddr{}, byte);
    message.set_control(SOL_SOCKET, SCM_RIGHTS, fd);
    if (sendmsg(channel, message.get(), 0) != 1) throw std::runtime_error("passing a descriptor");
}

Fd receive_fd(int channel) {
    char byte;
    Message message(&byte, 1);
    const bool came = recvmsg(channel, message.get(), 0) == 1;
    const auto fd = came ? message.control<int>(SOL_SOCKET, SCM_RIGHTS) : std::nullopt;
    if (!fd) throw std::runtime_error("taking a descriptor");
    return Fd(*fd);
}

} // namespace lk::harness
