// SPDX-License-Identifier: MIT
#include "control/cgroup_notices.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/stat.h>

#include <cstdlib>
#include <optional>
#include <sstream>

#include "base/file.h"
#include "control/uid_map.h"

namespace lk {

namespace {

// Of the capabilities that the process and what it starts can ever have.
std::string bounding_set(pid_t process) {
    std::istringstream lines(read_file(fmt::format("/proc/{}/status", process)).value_or(""));
    const std::string name = "CapBnd:\t";
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(name)) return line.substr(name.size());
    return "";
}

bool is_in_our_netns(pid_t process) {
    struct stat theirs {
    }, ours{};
    return ::stat(fmt::format("/proc/{}/ns/net", process).c_str(), &theirs) != 0 ||
           ::stat("/proc/self/ns/net", &ours) != 0 ||
           (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev);
}

} // namespace

std::string frames_notice(const std::string &capabilities, bool link) {
    const auto set = std::strtoull(capabilities.c_str(), nullptr, 16);
    const bool raw = set >> CAP_NET_RAW & 1, admin = set >> CAP_NET_ADMIN & 1;
    if (link && admin)
        return "its processes may have CAP_NET_ADMIN: by an ifb device in their network namespace, or one "
               "that they make on a device of the host, frames leave that are not judged here; take that "
               "away, or guard the host's uplink too";
    if (link || (!raw && !admin)) return "";
    return fmt::format(
        "its processes may have {}{}{}: what they send below sockets (frames of their own, tc, "
        "tunnels) is not judged here, whether by veth, macvlan or ipvlan; take that away, or "
        "guard the host's uplink too",
        raw ? "CAP_NET_RAW" : "", raw && admin ? " and " : "", admin ? "CAP_NET_ADMIN" : "");
}

std::vector<std::string> process_notices(const std::string &root, const std::string &path,
                                         const Policy &policy, bool link) {
    const auto first = first_process(root + "/" + path);
    if (!first) return {};
    std::vector<std::string> notices;
    if (!is_in_our_netns(*first))
        if (const auto notice = frames_notice(bounding_set(*first), link); !notice.empty())
            notices.push_back(path + ": " + notice);
    if (!policy.vpn_users.empty())
        notices.push_back(fmt::format("{}: sockets that are there already, and those that root makes for {}, "
                                      "are not that user's: start "
                                      "the VPN client anew under it, or name its server with --gw",
                                      path, policy.vpn_users.front().name));
    return notices;
}

} // namespace lk
