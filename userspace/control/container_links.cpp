// SPDX-License-Identifier: MIT
#include "control/container_links.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/fd.h"
#include "base/text.h"
#include "kernel/scope_links.h"
#include "leakbpf/scope.h"
#include "net/cgroup_names.h"
#include "net/link_ends.h"

namespace lk {

namespace {

namespace fs = std::filesystem;

// A network namespace by its inode in nsfs; 0: the process has ended.
ino_t netns_of(const std::string &process) {
    struct stat st {};
    return ::stat(("/proc/" + process + "/ns/net").c_str(), &st) == 0 ? st.st_ino : 0;
}

// Of the processes, but for our own.
std::map<ino_t, Fd> other_namespaces(const std::set<std::string> &processes) {
    const auto ours = netns_of("thread-self");
    std::map<ino_t, Fd> found;
    for (const auto &process : processes) {
        const auto number = netns_of(process);
        if (number == 0 || number == ours || found.contains(number)) continue;
        Fd netns{::open(("/proc/" + process + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC)};
        struct stat st {};
        if (netns && ::fstat(netns.get(), &st) == 0 && st.st_ino == number)
            found.emplace(number, std::move(netns));
    }
    return found;
}

std::vector<std::string> processes_in(ino_t netns) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator entry{"/proc", error}, end; !error && entry != end; entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (parse_decimal(name) && netns_of(name) == netns) found.push_back(name);
    }
    return found;
}

// Which cgroup a process is in, also where /proc names cgroups from the root of another cgroup namespace than
// ROOT is seen from: then the cgroups themselves are asked.
class CgroupsOfProcesses {
  public:
    explicit CgroupsOfProcesses(const std::string &root) : root_(root) {}

    std::optional<std::string> operator()(const std::string &process) {
        const auto pid = static_cast<int>(parse_decimal(process).value_or(0));
        if (const auto told = cgroup_of_process(root_, pid); told && told->find("..") == std::string::npos)
            return *told;
        if (!all_) all_ = cgroups_by_process(root_);
        const auto at = all_->find(process);
        return at == all_->end() ? std::nullopt : std::optional{at->second};
    }

  private:
    std::string root_;
    std::optional<std::map<std::string, std::string>> all_;
};

// The cgroups along PATH that have a policy, the outermost first.
std::vector<std::uint64_t> policies_over(const ScopePlace &place, const ScopeState &state,
                                         const std::string &path) {
    std::vector<std::uint64_t> over;
    fs::path at = place.cgroup_root;
    for (const auto &part : fs::path(path)) {
        at /= part;
        struct stat st {};
        if (::stat(at.c_str(), &st) == 0 && state.holds(st.st_ino)) over.push_back(st.st_ino);
    }
    return over;
}

// Under whose policies the processes of a network namespace are.
struct Behind {
    std::set<std::vector<std::uint64_t>> sets;
    std::string free; // one without a policy; empty: there is none
};

Behind who_is_behind(const ScopePlace &place, const ScopeState &state, ino_t netns,
                     CgroupsOfProcesses &cgroup_of) {
    Behind behind;
    std::map<std::string, std::vector<std::uint64_t>> known;
    for (const auto &process : processes_in(netns)) {
        const auto path = cgroup_of(process);
        if (!path) continue; // ended meanwhile
        auto [at, is_new] = known.try_emplace(*path);
        if (is_new) at->second = policies_over(place, state, *path);
        if (at->second.empty())
            behind.free = process;
        else
            behind.sets.insert(at->second);
    }
    return behind;
}

std::string not_judged(const LinkEnd &end) {
    if (end.kind == "veth")
        return fmt::format("its link {} ends in another network namespace than this one: frames that come "
                           "by it are judged where leakbpf attaches from there",
                           end.name);
    return fmt::format("frames that it writes to {} ({}) are not judged: only links of kind veth have an end "
                       "on the host where that can be done",
                       end.name, end.kind.empty() ? "hardware" : end.kind);
}

void tell_of_sharers(const Behind &behind, std::vector<std::string> &told) {
    if (!behind.free.empty())
        told.push_back(fmt::format("process {} is behind the same link and under no policy, so what is sent "
                                   "there for no socket passes",
                                   behind.free));
    if (behind.sets.size() > LK_LINK_SETS)
        told.push_back(fmt::format("processes behind the same link are under {} different policies, and what "
                                   "is sent there for no socket is judged by {} of them",
                                   behind.sets.size(), LK_LINK_SETS));
}

} // namespace

Result<bool> judge_links(const ScopePlace &place, const ScopeState &state, const std::string &path,
                         std::vector<std::string> &notices) {
    const auto namespaces = other_namespaces(processes_below(place.cgroup_root + "/" + path));
    CgroupsOfProcesses cgroup_of(place.cgroup_root);
    std::optional<ScopeLinks> links;
    std::vector<std::string> told;
    bool any = false, all = true;
    for (const auto &[number, netns] : namespaces) {
        const auto ends = link_ends(netns.get());
        if (!ends) return ends.error();
        std::optional<Behind> behind;
        for (const LinkEnd &end : *ends) {
            if (end.outer_ifindex == 0) {
                told.push_back(not_judged(end));
                all = false;
                continue;
            }
            if (!behind) {
                behind = who_is_behind(place, state, number, cgroup_of);
                tell_of_sharers(*behind, told);
            }
            if (!links) {
                auto opened = ScopeLinks::open(place.directory());
                if (!opened) return opened.error();
                links = *std::move(opened);
            }
            const LinkSets sets(behind->sets.begin(), behind->sets.end());
            if (auto judged = links->judge(end.outer_ifindex, sets, !behind->free.empty()); !judged)
                return judged.error();
            any = true;
        }
    }
    if (links)
        if (auto tidied = links->tidy([&](std::uint64_t id) { return state.holds(id); }); !tidied)
            return tidied.error();
    for (const auto &each : told)
        notices.push_back(path + ": " + each);
    return any && all;
}

Result<void> tidy_links(const ScopePlace &place, const ScopeState &state) {
    auto links = ScopeLinks::open(place.directory());
    if (!links) return links.error();
    return links->tidy([&](std::uint64_t id) { return state.holds(id); });
}

std::vector<std::string> link_weaknesses(const ScopePlace &place) {
    const auto links = ScopeLinks::open(place.directory());
    const auto dead = links ? links->dead() : links.error();
    if (!dead) return {"which links of containers are judged cannot be read: " + dead.error().message};
    std::vector<std::string> told;
    for (const int ifindex : *dead) {
        std::array<char, IF_NAMESIZE> name{};
        if_indextoname(static_cast<unsigned>(ifindex), name.data());
        told.push_back(fmt::format("frames that come in by {} are not judged any more: attach again to the "
                                   "cgroup behind it",
                                   quote(name.data())));
    }
    return told;
}

} // namespace lk
