// SPDX-License-Identifier: MIT
#include "kernel/old_sockets.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_set>

#include "base/text.h"
#include "kernel/sys.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace lk {

namespace {

struct CloseDirectory {
    void operator()(DIR *directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// Calls VISIT with every name in PATH that is a number; false: PATH cannot be read.
template <typename Visit>
bool for_each_number(const std::string &path, Visit visit) {
    const Directory directory{::opendir(path.c_str())};
    if (!directory) return false;
    while (const dirent *entry = ::readdir(directory.get()))
        if (const auto number = parse_decimal(entry->d_name); number && *number <= INT32_MAX)
            visit(static_cast<int>(*number));
    return true;
}

// Before Linux 5.14 a socket does not tell its namespace's cookie, but it gives the namespace itself.
bool is_of_this_namespace(int socket) {
    const Fd its{::ioctl(socket, SIOCGSKNS)};
    struct stat theirs {
    }, ours{};
    return its && ::fstat(its.get(), &theirs) == 0 && ::stat("/proc/thread-self/ns/net", &ours) == 0 &&
           theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

// The address family of a socket of our network namespace, AF_UNSPEC for any other.
int family_here(int socket, std::uint64_t netns_cookie) {
    int domain = AF_UNSPEC;
    socklen_t size = sizeof(domain);
    if (::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return AF_UNSPEC;
    std::uint64_t cookie = 0;
    size = sizeof(cookie);
    const bool told = ::getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0;
    const bool here = told ? cookie == netns_cookie : errno == ENOPROTOOPT && is_of_this_namespace(socket);
    return here ? domain : AF_UNSPEC;
}

// The next frame that it sends meets TC.
Result<void> end_bypass(int socket, int pid) {
    int bypass = 0;
    socklen_t size = sizeof(bypass);
    if (::getsockopt(socket, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, &size) != 0 || bypass == 0) return {};
    const int off = 0;
    if (::setsockopt(socket, SOL_PACKET, PACKET_QDISC_BYPASS, &off, sizeof(off)) == 0) return {};
    return system_error(fmt::format("process {} holds a packet socket that passes below TC, and the bypass "
                                    "cannot be taken off: end the process first",
                                    pid),
                        errno);
}

void read_comm(int pid, lk_mark &mark) {
    const Fd file{::open(fmt::format("/proc/{}/comm", pid).c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file) return;
    const auto length = ::read(file.get(), mark.comm, LK_COMM_LEN - 1);
    if (length > 0 && mark.comm[length - 1] == '\n') mark.comm[length - 1] = '\0';
}

class Walk {
  public:
    Walk(int marks_fd, std::uint64_t netns_cookie) : marks_fd_(marks_fd), netns_cookie_(netns_cookie) {}

    void process(int pid) {
        Fd pidfd;
        for_each_number(fmt::format("/proc/{}/fd", pid), [&](int number) {
            const auto inode = socket_inode(pid, number);
            if (inode.empty() || seen_.contains(inode)) return;
            if (!pidfd) pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
            if (!pidfd) return; // it has ended
            const Fd socket{static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), number, 0))};
            if (!socket) return;
            seen_.insert(inode);
            const int family = family_here(socket.get(), netns_cookie_);
            if (family == AF_INET || family == AF_INET6) mark(socket.get(), pid);
            if (family != AF_PACKET) return;
            if (auto ended = end_bypass(socket.get(), pid); !ended) answer_ = ended;
        });
    }

    // The last bypass that could not be ended.
    const Result<void> &answer() const { return answer_; }

  private:
    // "socket:[INODE]", empty for other descriptors.
    static std::string socket_inode(int pid, int number) {
        std::array<char, 64> target{};
        const auto path = fmt::format("/proc/{}/fd/{}", pid, number);
        if (::readlink(path.c_str(), target.data(), target.size() - 1) < 0) return "";
        const std::string text = target.data();
        return text.starts_with("socket:[") ? text : "";
    }

    void mark(int socket, int pid) const {
        struct stat st {};
        if (::fstat(socket, &st) != 0) return;
        lk_mark value{};
        value.netns_cookie = netns_cookie_;
        value.uid = st.st_uid; // of its creator, as the socket keeps it
        value.pid = static_cast<__u32>(pid);
        read_comm(pid, value);
        // Refused where there is a mark, or no memory for one: then the socket counts as nobody's.
        bpf_map_update_elem(marks_fd_, &socket, &value, BPF_NOEXIST);
    }

    int marks_fd_;
    std::uint64_t netns_cookie_;
    std::unordered_set<std::string> seen_;
    Result<void> answer_;
};

} // namespace

Result<void> take_in_old_sockets(const Map<int, lk_mark> &marks, std::uint64_t netns_cookie) {
    Walk walk{marks.fd(), netns_cookie};
    if (!for_each_number("/proc", [&](int pid) { walk.process(pid); }))
        return system_error("cannot read /proc, where the sockets that are already open are found", errno);
    return walk.answer();
}

} // namespace lk
