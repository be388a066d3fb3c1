// SPDX-License-Identifier: MIT
#include "control/root_sockets.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "base/text.h"

namespace lk {

namespace {

namespace fs = std::filesystem;

struct Process {
    std::string pid, name;
    uid_t uid = 0; // effective
};

std::optional<Process> read_process(const fs::path &dir) {
    Process process{dir.filename(), {}, 0};
    std::ifstream status(dir / "status");
    std::string line;
    bool uid_seen = false;
    while (std::getline(status, line)) {
        std::istringstream words(line);
        std::string key;
        words >> key;
        if (key == "Name:") words >> process.name;
        if (key == "Uid:") {
            uid_t real = 0;
            uid_seen = static_cast<bool>(words >> real >> process.uid);
        }
    }
    if (!uid_seen) return std::nullopt;
    return process;
}

// "socket:[123]" -> 123
std::optional<unsigned long> socket_inode(const fs::path &link) {
    std::error_code error;
    const std::string target = fs::read_symlink(link, error).string();
    constexpr std::string_view head = "socket:[";
    if (error || !target.starts_with(head)) return std::nullopt;
    unsigned long inode = 0;
    const char *begin = target.data() + head.size();
    if (std::from_chars(begin, target.data() + target.size(), inode).ec != std::errc()) return std::nullopt;
    return inode;
}

// Inodes of the internet sockets that uid 0 made, as this process's network namespace lists them.
std::set<unsigned long> internet_sockets_of_root(const fs::path &dir) {
    std::set<unsigned long> inodes;
    for (const char *table : {"tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6"}) {
        std::ifstream file(dir / "net" / table);
        std::string line;
        std::getline(file, line); // the header
        while (std::getline(file, line)) {
            // sl local remote st queues tr:tm retrnsmt uid timeout inode
            std::istringstream words(line);
            std::string skipped;
            for (int index = 0; index < 7; ++index)
                words >> skipped;
            unsigned long uid = 1, timeout = 0, inode = 0;
            if (words >> uid >> timeout >> inode && uid == 0 && inode != 0) inodes.insert(inode);
        }
    }
    return inodes;
}

bool holds_any(const fs::path &dir, const std::set<unsigned long> &inodes) {
    std::error_code error;
    for (fs::directory_iterator entry(dir / "fd", error), end; !error && entry != end; entry.increment(error))
        if (const auto inode = socket_inode(entry->path()); inode && inodes.contains(*inode)) return true;
    return false;
}

// The cgroup2 path of a process, relative to the root: the line "0::/path".
std::string cgroup_of(const fs::path &dir) {
    std::ifstream file(dir / "cgroup");
    std::string line;
    while (std::getline(file, line))
        if (line.starts_with("0::")) return line.substr(3);
    return {};
}

bool below(const std::string &path, const std::string &given) {
    // GIVEN may be absolute in the file system or relative to the root: compared by its end.
    for (std::size_t end = path.size(); end != std::string::npos && end > 1; end = path.rfind('/', end - 1)) {
        const std::string part = path.substr(0, end);
        if (given == part || given == part.substr(1) || given.ends_with(part)) return true;
    }
    return false;
}

} // namespace

std::vector<std::string> root_sockets(const Policy &policy, const std::string &proc) {
    std::vector<std::string> told;
    if (policy.vpn_users.empty()) return told;
    std::error_code error;
    const fs::path own_namespace = fs::read_symlink(fs::path(proc) / "self/ns/net", error);
    for (fs::directory_iterator entry(proc, error), end; !error && entry != end; entry.increment(error)) {
        const fs::path dir = entry->path();
        if (!parse_decimal(dir.filename().string())) continue;
        const std::optional<Process> process = read_process(dir);
        if (!process) continue;
        const bool of_vpn_user = std::ranges::any_of(
            policy.vpn_users, [&process](const VpnUser &user) { return user.uid == process->uid; });
        if (!of_vpn_user && process->name != "openvpn") continue;
        std::error_code gone;
        if (fs::read_symlink(dir / "ns/net", gone) != own_namespace || gone) continue;
        const std::string cgroup = cgroup_of(dir);
        if (std::ranges::any_of(policy.vpn_cgroups,
                                [&cgroup](const VpnCgroup &given) { return below(cgroup, given.path); }))
            continue;
        if (!holds_any(dir, internet_sockets_of_root(dir))) continue;
        told.push_back(fmt::format("{} (pid {}) sends through a socket that root made, which --vpn-user does "
                                   "not cover: name its cgroup with --vpn-cgroup {}, or start it as its user",
                                   quote(process->name), process->pid,
                                   cgroup.size() > 1 ? cgroup.substr(1) : std::string("PATH")));
    }
    return told;
}

} // namespace lk
