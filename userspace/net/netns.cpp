// SPDX-License-Identifier: MIT
#include "net/netns.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/statfs.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "base/fd.h"
#include "base/text.h"

namespace lk {

Result<void> enter_netns(const std::string &name_or_path) {
    const bool is_path = name_or_path.find('/') != std::string::npos;
    if (name_or_path.empty() || name_or_path == "." || name_or_path == "..")
        return bad_input(fmt::format("--netns {}: expected the name of a network namespace or a path to one",
                                     quote(name_or_path)));
    const std::string path = is_path ? name_or_path : "/run/netns/" + name_or_path;
    const Fd target(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!target && errno == ENOENT)
        return bad_input(fmt::format("--netns {}: there is no {}; `ip netns list` shows the names",
                                     quote(name_or_path), quote(path)));
    if (!target)
        return failure(fmt::format("--netns {}: {} cannot be opened: {}", quote(name_or_path), quote(path),
                                   std::strerror(errno)));
    if (::setns(target.get(), CLONE_NEWNET) == 0) return {};
    if (errno == EPERM)
        return Error{Exit::permission,
                     fmt::format("--netns {}: entering it needs root", quote(name_or_path))};
    return bad_input(
        fmt::format("--netns {}: {} is not a network namespace", quote(name_or_path), quote(path)));
}

Result<void> in_netns(int netns, const std::function<void()> &body) {
    int error = 0;
    std::thread([&] { // which may stay there
        if (::setns(netns, CLONE_NEWNET) == 0)
            body();
        else
            error = errno;
    })
        .join();
    if (error) return failure(fmt::format("cannot look into a network namespace: {}", std::strerror(error)));
    return {};
}

Result<void> check_bpffs(const std::string &path) {
    struct statfs found {};
    if (::statfs(path.c_str(), &found) != 0) {
        const int error = errno;
        return unsupported(
            fmt::format("no bpffs at {}: {}; make the directory and mount one: mkdir -p {} && mount -t "
                        "bpf bpf {}, or name another with --bpffs PATH",
                        quote(path), std::strerror(error), quote(path), quote(path)));
    }
    if (found.f_type != BPF_FS_MAGIC)
        return unsupported(
            fmt::format("{} is not on a bpffs, so nothing would hold the filter: mount one (mount -t "
                        "bpf bpf {}), or name another with --bpffs PATH",
                        quote(path), quote(path)));
    return {};
}

} // namespace lk
