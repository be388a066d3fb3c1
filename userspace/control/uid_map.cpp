// SPDX-License-Identifier: MIT
#include "control/uid_map.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <sstream>
#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "kernel/process_start.h"
#include "net/cgroup_names.h"

namespace lk {

namespace {

std::optional<ino_t> user_namespace(const std::string &process) {
    struct stat st {};
    if (::stat(("/proc/" + process + "/ns/user").c_str(), &st) != 0) return {};
    return st.st_ino;
}

} // namespace

std::optional<uid_t> uid_outside(std::string_view map, uid_t inside) {
    std::istringstream lines{std::string(map)};
    std::uint64_t first = 0, outside = 0, count = 0;
    while (lines >> first >> outside >> count)
        if (inside >= first && inside - first < count) return static_cast<uid_t>(outside + (inside - first));
    return {};
}

std::optional<pid_t> first_process(const std::string &cgroup_directory) {
    std::optional<std::pair<std::uint64_t, pid_t>> first;
    for (const std::string &process : processes_below(cgroup_directory)) {
        const auto pid =
            static_cast<pid_t>(parse_decimal(process).value_or(0)); // 0: of an outer pid namespace
        const auto start = pid ? process_start_ticks(pid) : std::nullopt;
        if (start && (!first || std::pair{*start, pid} < *first)) first = {*start, pid};
    }
    if (!first) return {};
    return first->second;
}

Result<void> translate_users(std::optional<pid_t> first, Policy &policy, std::vector<std::string> &notices) {
    if (policy.vpn_users.empty()) return {};
    if (!first) {
        notices.push_back(fmt::format(
            "--vpn-user {}: no process of the cgroup can be seen, so this is a user of the host, and "
            "not one as a user namespace shows it",
            policy.vpn_users.front().name));
        return {};
    }
    const auto process = std::to_string(*first);
    const auto space = user_namespace(process);
    const auto map = read_file("/proc/" + process + "/uid_map");
    if (!space || !map)
        return failure("--vpn-user: the first process of the cgroup ended meanwhile: try again");
    if (space == user_namespace("self")) return {};
    for (VpnUser &user : policy.vpn_users) {
        if (user.name != std::to_string(user.uid))
            return bad_input(
                fmt::format("--vpn-user {}: the cgroup's processes have users of their own: give the "
                            "number that the user has there",
                            quote(user.name)));
        const auto outside = uid_outside(*map, user.uid);
        if (!outside)
            return bad_input(
                fmt::format("--vpn-user {}: the cgroup's user namespace has no such user", user.uid));
        user.uid = *outside;
        if (Result<void> good = check_vpn_uid(user); !good) return good;
    }
    return {};
}

} // namespace lk
