// SPDX-License-Identifier: MIT
#include "control/uid_map.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>

#include "base/text.h"
#include "net/cgroup_names.h"

namespace lk {

namespace {

std::optional<ino_t> user_namespace(const std::string &process) {
    struct stat st {};
    if (::stat(("/proc/" + process + "/ns/user").c_str(), &st) != 0) return {};
    return st.st_ino;
}

std::string contents(const std::string &path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// The uid_map of the processes there; none: they are in our own user namespace, or there are none.
Result<std::optional<std::string>> map_of(const std::string &cgroup_directory) {
    std::set<ino_t> namespaces;
    std::optional<std::string> map;
    for (const std::string &process : processes_below(cgroup_directory)) {
        const auto space = user_namespace(process);
        if (!space || !namespaces.insert(*space).second) continue; // ended meanwhile, or known
        if (namespaces.size() > 1)
            return bad_input(
                "--vpn-user: the processes of the cgroup are in several user namespaces, which may "
                "show users otherwise: attach before they begin, or to a cgroup for each");
        if (space != user_namespace("self")) map = contents("/proc/" + process + "/uid_map");
    }
    return map;
}

} // namespace

std::optional<uid_t> uid_outside(std::string_view map, uid_t inside) {
    std::istringstream lines{std::string(map)};
    std::uint64_t first = 0, outside = 0, count = 0;
    while (lines >> first >> outside >> count)
        if (inside >= first && inside - first < count) return static_cast<uid_t>(outside + (inside - first));
    return {};
}

Result<void> translate_users(const std::string &cgroup_directory, Policy &policy) {
    if (policy.vpn_users.empty()) return {};
    const Result<std::optional<std::string>> map = map_of(cgroup_directory);
    if (!map) return map.error();
    if (!*map) return {};
    for (VpnUser &user : policy.vpn_users) {
        if (user.name != std::to_string(user.uid))
            return bad_input(
                fmt::format("--vpn-user {}: the cgroup's processes have users of their own: give the "
                            "number that the user has there",
                            quote(user.name)));
        const auto outside = uid_outside(**map, user.uid);
        if (!outside)
            return bad_input(
                fmt::format("--vpn-user {}: the cgroup's user namespace has no such user", user.uid));
        user.uid = *outside;
        if (Result<void> good = check_vpn_uid(user); !good) return good;
    }
    return {};
}

} // namespace lk
