// SPDX-License-Identifier: MIT
#include "net/cgroup_level.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <optional>

#include "base/fd.h"
#include "net/cgroup_handle.h"

namespace lk {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t deepest = 64; // levels that are searched

std::optional<std::uint32_t> search(Fd directory, ino_t wanted, std::uint32_t level) {
    const std::unique_ptr<DIR, int (*)(DIR *)> entries(::fdopendir(directory.get()), ::closedir);
    if (!entries) return {};
    const int fd = directory.release();
    while (const dirent *entry = ::readdir(entries.get())) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        if (entry->d_ino == wanted) return level + 1;
        if (level + 1 == deepest) continue;
        Fd below(::openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!below) continue; // removed in the meantime
        if (const auto found = search(std::move(below), wanted, level + 1)) return found;
    }
    return {};
}

} // namespace

std::optional<std::uint32_t> cgroup_level(const fs::path &path) {
    struct stat top {};
    if (::stat(path.c_str(), &top) != 0) return {};
    std::uint32_t below = 0; // levels between the topmost that is mounted and the path's own
    for (fs::path above = path; top.st_ino != root_cgroup; ++below) {
        above = above.parent_path();
        struct stat here {};
        if (::stat(above.c_str(), &here) != 0 || here.st_dev != top.st_dev) break;
        top = here;
    }
    if (top.st_ino == root_cgroup) return below;
    // The root directory even where it is mounted nowhere in sight.
    Fd root = open_cgroup(path, root_cgroup).directory;
    const auto level = root ? search(std::move(root), top.st_ino, 0) : std::nullopt;
    if (!level) return {};
    return *level + below;
}

} // namespace lk
