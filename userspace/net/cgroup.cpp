// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/file.h"
#include "base/text.h"
#include "net/cgroup_level.h"
#include "net/mountinfo.h"
#include "net/netns.h"

namespace lk {

namespace fs = std::filesystem;

namespace {

// PROC_CGROUP_INIT_INO: the same since there are cgroup namespaces (4.6).
constexpr ino_t initial_cgroup_namespace = 0xEFFFFFFB;

bool is_cgroup2(const fs::path &path) {
    struct statfs found {};
    return ::statfs(path.c_str(), &found) == 0 && found.f_type == CGROUP2_SUPER_MAGIC;
}

std::optional<struct stat> stat_of(const fs::path &path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return {};
    return found;
}

// A later mount over the same place would make the entry of the earlier one a lie.
bool is_what_it_says(const Mount &mount) {
    const auto found = stat_of(mount.point);
    return found && is_cgroup2(mount.point) && major(found->st_dev) == mount.major &&
           minor(found->st_dev) == mount.minor && found->st_ino == root_cgroup;
}

Result<std::string> host_root() {
    const auto own_namespace = stat_of("/proc/self/ns/cgroup");
    const auto mountinfo = read_file("/proc/self/mountinfo");
    if (!own_namespace || !mountinfo)
        return unsupported(
            "the host's cgroup2 root cannot be found: /proc is not mounted; mount it, or give the "
            "root with --cgroup-root PATH");
    if (own_namespace->st_ino != initial_cgroup_namespace)
        return unsupported(
            "this is a cgroup namespace: the cgroup root seen here is not the host's, and a filter "
            "attached to it would miss every process outside. Run leakbpf on the host, or name the "
            "root of all that shall be guarded with --cgroup-root PATH");
    bool any = false;
    for (const Mount &mount : parse_mountinfo(*mountinfo)) {
        if (mount.type != "cgroup2") continue;
        any = true;
        if (mount.root == "/" && is_what_it_says(mount)) return mount.point;
    }
    if (any)
        return unsupported(
            "only a part of the cgroup2 hierarchy is mounted here, not the host's root: mount it "
            "(mount -t cgroup2 none DIR), or name the root of all that shall be guarded with "
            "--cgroup-root PATH");
    return unsupported("no cgroup2 hierarchy is mounted: mount one (mount -t cgroup2 none DIR); leakbpf then "
                       "finds it");
}

Result<fs::path> canonical(const fs::path &path, const char *what) {
    std::error_code error;
    auto found = fs::canonical(path, error);
    if (error) return bad_input(fmt::format("{} {}: {}", what, quote(path.string()), error.message()));
    if (!fs::is_directory(found, error))
        return bad_input(fmt::format("{} {} is not a directory", what, quote(path.string())));
    return found;
}

Result<std::uint64_t> id_of(const fs::path &path) {
    struct {
        file_handle header;
        std::uint64_t id;
    } handle{};
    static_assert(offsetof(decltype(handle), id) == sizeof(file_handle));
    handle.header.handle_bytes = sizeof handle.id;
    int mount_id = 0;
    if (::name_to_handle_at(AT_FDCWD, path.c_str(), &handle.header, &mount_id, 0) != 0)
        return failure(fmt::format("cgroup {} has no id: {}", quote(path.string()), std::strerror(errno)));
    return handle.id;
}

} // namespace

Result<std::string> cgroup_root(const std::string &given) {
    if (given.empty()) return host_root();
    auto found = canonical(given, "--cgroup-root");
    if (!found) return found.error();
    if (!is_cgroup2(*found))
        return bad_input(
            fmt::format("--cgroup-root {} is not in a cgroup2 hierarchy: expected a directory of one, "
                        "such as /sys/fs/cgroup",
                        quote(given)));
    return found->string();
}

Result<CgroupId> cgroup_id(const std::string &root, const std::string &path) {
    auto top = canonical(root, "cgroup root");
    if (!top) return top.error();
    auto found = canonical(*top / path, "cgroup"); // an absolute path stands for itself
    if (!found) {
        Error error = found.error();
        error.message += fmt::format(
            "; expected a cgroup below {}, by its whole path or by its path from there", quote(root));
        return error;
    }
    const auto [end, rest] = std::mismatch(top->begin(), top->end(), found->begin(), found->end());
    if (end != top->end() || rest == found->end() || !is_cgroup2(*found))
        return bad_input(
            fmt::format("cgroup {} is not below {}: expected a directory of the cgroup2 hierarchy "
                        "below it",
                        quote(path), quote(root)));
    const auto level = cgroup_level(*found);
    if (!level)
        return unsupported(
            fmt::format("cgroup {}: its distance from the host's cgroup root cannot be seen from "
                        "here; run leakbpf as root, where the whole hierarchy is mounted",
                        quote(path)));
    auto id = id_of(*found);
    if (!id) return id.error();
    return CgroupId{.id = *id, .level = *level};
}

} // namespace lk
