// SPDX-License-Identifier: MIT
#include "net/cgroup_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <vector>

#include "base/text.h"

namespace lk {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view container_word = "container:";
constexpr std::size_t least_id = 12, whole_id = 64; // of a container's id
constexpr int deepest = 12;

bool is_hex(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool is_unit(std::string_view name) {
    for (const std::string_view end : {".service", ".scope", ".slice", ".socket", ".mount"})
        if (name.size() > end.size() && name.ends_with(end)) return true;
    return false;
}

// docker-ID.scope, libpod-ID.scope, crio-ID.scope, cri-containerd-ID.scope, or the id alone. What watches
// over a container (libpod-conmon-ID.scope) is not the container.
std::string container_of(std::string_view name) {
    if (name.find("conmon") != name.npos) return "";
    if (name.ends_with(".scope")) name.remove_suffix(6);
    if (const auto dash = name.rfind('-'); dash != name.npos) name.remove_prefix(dash + 1);
    return name.size() == whole_id && is_hex(name) ? std::string(name) : "";
}

using Told = std::function<bool(const std::string &name)>;

// Below a match nothing is looked for: what is inside belongs to it.
void search(const fs::path &directory, int depth, const Told &matches, const Told &enters,
            std::vector<fs::path> &found) {
    std::error_code error;
    for (fs::directory_iterator entry{directory, error}, end; !error && entry != end;
         entry.increment(error)) {
        std::error_code ignored;
        if (!entry->is_directory(ignored) || entry->is_symlink(ignored)) continue;
        const auto name = entry->path().filename().string();
        if (matches(name))
            found.push_back(entry->path());
        else if (depth < deepest && enters(name))
            search(entry->path(), depth + 1, matches, enters, found);
    }
}

Result<std::string> search_one(const fs::path &root, const std::string &word, const char *what,
                               const Told &matches, const Told &enters) {
    std::vector<fs::path> found;
    search(root, 1, matches, enters, found);
    if (found.size() == 1) return fs::relative(found.front(), root).string();
    if (found.empty())
        return bad_input(fmt::format("{}: there is no cgroup of such a {} below {}: is it running?",
                                     quote(word), what, root.string()));
    std::vector<std::string> paths;
    for (const fs::path &path : found)
        paths.push_back(fs::relative(path, root).string());
    std::ranges::sort(paths);
    return bad_input(fmt::format("{} is the name of {} cgroups: give one of their paths ({})", quote(word),
                                 paths.size(), fmt::join(paths, ", ")));
}

} // namespace

Result<std::string> find_cgroup(const std::string &root, const std::string &word) {
    if (word.starts_with(container_word)) {
        const auto id = word.substr(container_word.size());
        if (id.size() < least_id || id.size() > whole_id || !is_hex(id))
            return bad_input(
                fmt::format("{} names no container: expected {} to {} hexadecimal digits of its id "
                            "after {}",
                            quote(word), least_id, whole_id, container_word));
        return search_one(
            root, word, "container",
            [&](const std::string &name) { return container_of(name).starts_with(id); },
            [](const std::string &name) { return container_of(name).empty(); });
    }
    std::error_code error;
    const fs::path given(word);
    const fs::path path = fs::canonical(given.is_absolute() ? given : fs::path(root) / given, error);
    if (!error) {
        const fs::path top = fs::canonical(root, error);
        const auto relative = path.lexically_relative(top).string();
        if (!error && !relative.empty() && relative != "." && !relative.starts_with("..")) return relative;
        return bad_input(fmt::format("{} is no cgroup below {}: expected a cgroup's path, a unit or "
                                     "container:ID",
                                     quote(word), quote(root)));
    }
    if (word.find('/') == word.npos && is_unit(word))
        return search_one(
            root, word, "unit", [&](const std::string &name) { return name == word; },
            [](const std::string &name) { return name.ends_with(".slice"); });
    return bad_input(
        fmt::format("{} is no cgroup: expected a path below {}, a unit such as nginx.service, or "
                    "container:ID",
                    quote(word), quote(root)));
}

CgroupNames names_of_cgroup(std::string_view path) {
    CgroupNames names;
    for (const fs::path &part : fs::path(path)) {
        const auto name = part.string();
        if (auto container = container_of(name); !container.empty()) names.container = std::move(container);
        if (is_unit(name)) names.unit = name;
    }
    return names;
}

std::set<std::string> processes_below(const std::string &directory) {
    std::set<std::string> processes;
    std::vector<fs::path> ahead{directory};
    while (!ahead.empty()) { // one that is removed meanwhile ends no more than the look at itself
        const fs::path cgroup = std::move(ahead.back());
        ahead.pop_back();
        std::ifstream file(cgroup / "cgroup.procs");
        for (std::string process; std::getline(file, process);)
            processes.insert(process);
        std::error_code error;
        for (fs::directory_iterator entry{cgroup, error}, end; !error && entry != end; entry.increment(error))
            if (std::error_code gone; entry->is_directory(gone)) ahead.push_back(entry->path());
    }
    return processes;
}

std::map<std::string, std::string> cgroups_by_process(const std::string &root) {
    std::map<std::string, std::string> found;
    std::vector<fs::path> ahead{root};
    while (!ahead.empty()) {
        const fs::path cgroup = std::move(ahead.back());
        ahead.pop_back();
        std::ifstream file(cgroup / "cgroup.procs");
        for (std::string process; std::getline(file, process);)
            found.insert_or_assign(process, cgroup == root ? "" : cgroup.lexically_relative(root).string());
        std::error_code error;
        for (fs::directory_iterator entry{cgroup, error}, end; !error && entry != end; entry.increment(error))
            if (std::error_code gone; entry->is_directory(gone)) ahead.push_back(entry->path());
    }
    return found;
}

bool proc_has_own_numbers() {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("NSpid:")) continue;
        // One for each namespace, from that of /proc to this process's own.
        std::istringstream numbers(line.substr(6));
        return std::distance(std::istream_iterator<int>(numbers), {}) == 1;
    }
    return file.eof(); // a kernel without pid namespaces
}

Result<std::string> cgroup_of_process(const std::string &root, int pid) {
    std::ifstream file(fmt::format("/proc/{}/cgroup", pid));
    if (!file) return bad_input(fmt::format("there is no process {}", pid));
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("0::/")) continue;
        // What is seen here begins at the root of this process's cgroup namespace, as the mounts do.
        auto path = line.substr(4);
        struct stat there {};
        if (::stat((fs::path(root) / path).c_str(), &there) != 0)
            return failure(fmt::format("the cgroup of process {}, {}, is not below {}", pid,
                                       quote(line.substr(3)), root));
        return path;
    }
    return failure(fmt::format("process {} is in no cgroup of the cgroup2 hierarchy", pid));
}

} // namespace lk
