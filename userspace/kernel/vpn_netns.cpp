// SPDX-License-Identifier: MIT
#include "kernel/vpn_netns.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>

#include "base/fd.h"
#include "kernel/sys.h"
#include "net/cgroup_names.h"
#include "net/netns.h"

namespace lk {

namespace {

Result<std::uint64_t> cookie_of(const Fd &netns) {
    Result<std::uint64_t> cookie = std::uint64_t{0};
    if (auto seen = in_netns(netns.get(), [&] { cookie = netns_cookie(); }); !seen) return seen.error();
    return cookie;
}

} // namespace

Result<std::uint64_t> netns_of_processes(const std::string &directory) {
    Fd netns;
    std::optional<ino_t> number;
    for (const auto &process : processes_below(directory)) {
        Fd found{::open(("/proc/" + process + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC)};
        struct stat st {};
        if (!found || fstat(found.get(), &st) != 0) continue; // ended meanwhile
        if (number && *number != st.st_ino)
            return bad_input(
                "--vpn-user: the processes of the cgroup are in several network namespaces, and users are "
                "meant in one: attach before they begin, or to a cgroup for each");
        number = st.st_ino;
        netns = std::move(found);
    }
    return number ? cookie_of(netns) : Result<std::uint64_t>(0);
}

} // namespace lk
