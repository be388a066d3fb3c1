// SPDX-License-Identifier: MIT
#include "control/loopback_resolver.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "base/fd.h"
#include "base/text.h"

namespace lk {

namespace {

constexpr std::size_t most_bytes = 4096; // in one piece through a pipe; nameservers come first
constexpr int patience_ms = 500;

// As its owner sees it: links in it lead to nowhere outside of ROOT, and a pipe in its place holds nobody up.
std::string resolv_conf_of(const std::string &root) {
    const Fd top(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    open_how how{};
    how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const Fd file(static_cast<int>(::syscall(SYS_openat2, top.get(), "etc/resolv.conf", &how, sizeof(how))));
    struct stat st {};
    if (!file || ::fstat(file.get(), &st) != 0 || !S_ISREG(st.st_mode)) return "";
    std::string text(most_bytes, '\0');
    const auto got = ::read(file.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

// By a process of its own, which is ended when it takes long: the file may be on a file system that its owner
// serves.
std::string read_in_time(const std::string &root) {
    int channel[2];
    if (::pipe2(channel, O_CLOEXEC) != 0) return "";
    const Fd from(channel[0]);
    Fd to(channel[1]);
    const pid_t reader = ::fork();
    if (reader == 0) {
        const std::string text = resolv_conf_of(root);
        _exit(::write(to.get(), text.data(), text.size()) < 0);
    }
    to.reset();
    std::string text(most_bytes, '\0');
    pollfd told{from.get(), POLLIN, 0};
    const auto got =
        reader > 0 && ::poll(&told, 1, patience_ms) == 1 ? ::read(from.get(), text.data(), text.size()) : 0;
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (reader > 0) {
        ::kill(reader, SIGKILL);
        ::waitpid(reader, nullptr, 0);
    }
    return text;
}

} // namespace

std::optional<std::string> loopback_nameserver(const std::string &resolv_conf) {
    std::istringstream lines(resolv_conf);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string keyword, server;
        if (!(words >> keyword >> server) || keyword != "nameserver") continue;
        const auto address = Address::parse(server);
        const bool loopback = address && (Prefix::parse("127.0.0.0/8")->contains(*address) ||
                                          *address == *Address::parse("::1"));
        return loopback ? std::optional{server} : std::nullopt;
    }
    return {};
}

std::optional<std::string> loopback_resolver(const Policy &policy, std::optional<pid_t> first) {
    if (policy.resolvers.empty()) return {};
    const auto server = loopback_nameserver(read_in_time(first ? fmt::format("/proc/{}/root", *first) : "/"));
    if (!server) return {};
    return fmt::format(
        "/etc/resolv.conf names {}: another process, which asks upstream by itself and not the "
        "resolver of --dns; name that one there, or give that process the same policy",
        quote(*server));
}

} // namespace lk
