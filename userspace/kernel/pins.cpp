// SPDX-License-Identifier: MIT
#include "kernel/pins.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/text.h"
#include "kernel/sys.h"

namespace fs = std::filesystem;

namespace lk {

std::string Pins::document(std::uint32_t epoch) const {
    return fmt::format("{}/document-{}", dir, epoch);
}
std::string Pins::tcx_link(int ifindex) const {
    return fmt::format("{}/uplink-{}", links(), ifindex);
}
std::string Pins::new_tcx_link(int ifindex) const {
    return tcx_link(ifindex) + "-new";
}
std::string Pins::tunnel_link(bool ingress, int ifindex) const {
    return fmt::format("{}/tunnel{}-{}", links(), ingress ? "in" : "out", ifindex);
}
std::string Pins::serve_link(int ifindex) const {
    return fmt::format("{}/serve-{}", links(), ifindex);
}
std::string Pins::clsact(int ifindex) const {
    return fmt::format("{}/clsact-{}", links(), ifindex);
}
std::string Pins::clsact_qdisc(int ifindex) const {
    return fmt::format("{}/qdisc-{}", links(), ifindex);
}
std::string Pins::full_queue(int ifindex) const {
    return fmt::format("{}/queue-{}", links(), ifindex);
}
std::string Pins::cgroup_link(const std::string &hook) const {
    return links() + "/cgroup-" + hook;
}

std::string Pins::guard_link(const std::string &guard) const {
    return links() + "/guard-" + guard;
}

std::string Pins::gate_link(const std::string &kind) const {
    return links() + "/gate-" + kind;
}

std::vector<std::string> Pins::stale() const {
    std::vector<std::string> result;
    for (const auto &name : list_directory(dir))
        if (name.starts_with("stale-")) result.push_back(dir + "/" + name);
    return result;
}

std::string Pins::next_stale() const {
    for (unsigned number = 1;; ++number) {
        auto path = fmt::format("{}/stale-{}", dir, number);
        if (!path_exists(path)) return path;
    }
}

std::vector<int> pinned_ifindexes(const std::string &links_dir, std::string_view prefix) {
    std::vector<int> result;
    for (const auto &name : list_directory(links_dir)) {
        if (!name.starts_with(prefix) || name.size() <= prefix.size() || name[prefix.size()] != '-') continue;
        const auto number = parse_decimal(std::string_view{name}.substr(prefix.size() + 1));
        if (number && *number > 0 && *number <= INT32_MAX) result.push_back(static_cast<int>(*number));
    }
    std::sort(result.begin(), result.end());
    return result;
}

std::string namespace_prefix(std::uint64_t netns_cookie) {
    return fmt::format("net-{}-v", netns_cookie);
}

std::vector<std::string> list_directory(const std::string &path) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it{path, error}, end; !error && it != end; it.increment(error))
        names.push_back(it->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

bool path_exists(const std::string &path) {
    struct stat st {};
    return ::lstat(path.c_str(), &st) == 0;
}

Result<void> make_directory(const std::string &path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return system_error(fmt::format("cannot make the directory {}", path), errno);
}

Result<void> move_path(const std::string &from, const std::string &to) {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return system_error(fmt::format("cannot move {} to {}", from, to), errno);
}

Result<void> remove_pin(const std::string &path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return system_error(fmt::format("cannot remove {}", path), errno);
}

Result<void> remove_tree(const std::string &path) {
    std::optional<Error> first;
    for (const auto &name : list_directory(path)) {
        const auto entry = path + "/" + name;
        struct stat st {};
        if (::lstat(entry.c_str(), &st) != 0) continue;
        auto removed = S_ISDIR(st.st_mode) ? remove_tree(entry) : remove_pin(entry);
        if (!removed && !first) first = removed.error();
    }
    if (::rmdir(path.c_str()) != 0 && errno != ENOENT && !first)
        first = system_error(fmt::format("cannot remove {}", path), errno);
    if (first) return *first;
    return {};
}

OpenedDirectory open_directory(const std::string &path) {
    Fd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!fd) return {Fd{}, errno};
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0) return {Fd{}, errno};
    if (st.st_uid != ::geteuid() || (st.st_mode & 022) != 0) return {Fd{}, EPERM};
    return {std::move(fd), 0};
}

} // namespace lk
