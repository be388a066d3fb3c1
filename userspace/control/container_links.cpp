// SPDX-License-Identifier: MIT
#include "control/container_links.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
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

Error unseen(const std::string &process) {
    return failure(fmt::format("cannot see which network namespace process {} is in: {}", process,
                               std::strerror(errno)));
}

// The last call on PROCESS failed because it has ended: for one that is just going the kernel says EACCES.
bool has_ended(const std::string &process) {
    if (errno == ENOENT || errno == ESRCH) return true;
    const int error = errno;
    struct stat st {};
    const bool is_gone = ::stat(("/proc/" + process).c_str(), &st) != 0;
    errno = error;
    return is_gone;
}

// A network namespace by its inode in nsfs; 0: the process has ended.
Result<ino_t> netns_of(const std::string &process) {
    struct stat st {};
    if (::stat(("/proc/" + process + "/ns/net").c_str(), &st) == 0) return st.st_ino;
    return has_ended(process) ? Result<ino_t>(0) : unseen(process);
}

// Of the processes, but for our own.
Result<std::map<ino_t, Fd>> other_namespaces(const std::set<std::string> &processes) {
    const auto ours = netns_of("thread-self");
    if (!ours) return ours.error();
    std::map<ino_t, Fd> found;
    for (const auto &process : processes) {
        const auto number = netns_of(process);
        if (!number) return number.error();
        if (*number == 0 || *number == *ours || found.contains(*number)) continue;
        Fd netns{::open(("/proc/" + process + "/ns/net").c_str(), O_RDONLY | O_CLOEXEC)};
        struct stat st {};
        if (!netns && !has_ended(process)) return unseen(process);
        if (netns && ::fstat(netns.get(), &st) == 0 && st.st_ino != *ours)
            found.emplace(st.st_ino, std::move(netns)); // to which it has moved meanwhile
    }
    return found;
}

std::vector<std::string> processes_in(ino_t netns) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator entry{"/proc", error}, end; !error && entry != end; entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (!parse_decimal(name)) continue;
        if (const auto number = netns_of(name); number && *number == netns) found.push_back(name);
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

bool is_tunnel(const LinkEnd &end) {
    return end.kind == "wireguard" || end.kind == "xfrm" || end.kind.starts_with("ovpn") ||
           (end.kind == "tun" && !end.ethernet);
}

std::string not_judged(const LinkEnd &end) {
    if (end.kind == "veth")
        return fmt::format("its link {} ends in another network namespace than this one: frames that come "
                           "by it are judged where leakbpf attaches from there",
                           end.name);
    return fmt::format("frames that it writes to {} ({}) are not judged: {}", end.name,
                       end.kind.empty() ? "hardware" : end.kind,
                       end.ethernet ? "this kernel has no tcx" : "they have no Ethernet header");
}

std::string judged_inside(const LinkEnd &end) {
    return fmt::format(
        "frames that it writes to {} ({}) are judged there alone, which whoever has CAP_NET_RAW "
        "gets past with PACKET_QDISC_BYPASS or AF_XDP: only links of kind veth have an end on "
        "the host",
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

// The links of one network namespace after another.
class LinkJudge {
  public:
    // PATH: of the cgroup whose processes are there.
    LinkJudge(const ScopePlace &place, const ScopeState &state, const std::string &path)
        : place_(place), state_(state), over_(policies_over(place, state, path)),
          cgroup_of_(place.cgroup_root) {}

    Result<void> judge(ino_t number, int netns) {
        const auto ends = link_ends(netns);
        if (!ends) return ends.error();
        if (ends->empty())
            told.push_back("its network namespace has no link yet: frames by one that it gets later are not "
                           "judged before the next attach");
        behind_.reset();
        for (const LinkEnd &end : *ends)
            if (auto judged = judge(end, number, netns); !judged) return judged;
        return {};
    }

    std::vector<std::string> told;
    bool any = false, all = true;

  private:
    Result<void> judge(const LinkEnd &end, ino_t number, int netns) {
        if (is_tunnel(end)) return {};
        const bool has_outer = end.outer_ifindex != 0;
        if (!has_outer) all = false;
        if (!has_outer && (end.kind == "veth" || !end.ethernet)) {
            told.push_back(not_judged(end));
            return {};
        }
        if (!behind_) {
            behind_ = who_is_behind(place_, state_, number, cgroup_of_);
            if (behind_->sets.empty() && behind_->free.empty()) behind_->sets.insert(over_); // all ended
            tell_of_sharers(*behind_, told);
        }
        if (!links_) {
            auto opened = ScopeLinks::open(place_.directory());
            if (!opened) return opened.error();
            links_ = *std::move(opened);
        }
        const LinkSets sets(behind_->sets.begin(), behind_->sets.end());
        const bool shared = !behind_->free.empty();
        any = true;
        if (has_outer) {
            const auto first = links_->judge(end.outer_ifindex, sets, shared);
            if (!first) return first.error();
            if (!*first) {
                all = false;
                told.push_back(fmt::format("another filter comes before ours where its link {} ends on the "
                                           "host: what that takes is not judged",
                                           end.name));
            }
            return links_->judge_inside(netns, end.ifindex, end.outer_ifindex);
        }
        const auto judged = links_->judge_own(netns, end.ifindex, sets, shared);
        if (!judged) return judged.error();
        told.push_back(*judged ? judged_inside(end) : not_judged(end));
        return {};
    }

    const ScopePlace &place_;
    const ScopeState &state_;
    std::vector<std::uint64_t> over_;
    CgroupsOfProcesses cgroup_of_;
    std::optional<ScopeLinks> links_;
    std::optional<Behind> behind_;
};

} // namespace

Result<bool> judge_links(const ScopePlace &place, const ScopeState &state, const std::string &path,
                         std::vector<std::string> &notices) {
    const auto namespaces = other_namespaces(processes_below(place.cgroup_root + "/" + path));
    if (!namespaces) return namespaces.error();
    LinkJudge judge(place, state, path);
    for (const auto &[number, netns] : *namespaces)
        if (auto judged = judge.judge(number, netns.get()); !judged) return judged.error();
    if (judge.any)
        if (auto tidied = tidy_links(place, state, {}); !tidied) return tidied.error();
    for (const auto &each : judge.told)
        notices.push_back(path + ": " + each);
    return judge.any && judge.all;
}

Result<void> tidy_links(const ScopePlace &place, const ScopeState &state,
                        const std::vector<std::uint64_t> &freed) {
    auto links = ScopeLinks::open(place.directory());
    if (!links) return links.error();
    return links->tidy([&](std::uint64_t id) { return state.holds(id); },
                       [&](std::uint64_t id) { return std::ranges::count(freed, id) > 0; });
}

namespace {

std::string name_of(int ifindex) {
    std::array<char, IF_NAMESIZE> name{};
    if_indextoname(static_cast<unsigned>(ifindex), name.data());
    return quote(name.data());
}

// Ends here of links to processes under a policy that nothing judges, since they came after the attach.
Result<std::set<int>> late_links(const std::vector<std::string> &directories,
                                 const std::vector<int> &judged) {
    std::set<std::string> processes;
    for (const auto &directory : directories)
        processes.merge(processes_below(directory));
    const auto namespaces = other_namespaces(processes);
    if (!namespaces) return namespaces.error();
    std::set<int> late;
    for (const auto &[number, netns] : *namespaces) {
        const auto ends = link_ends(netns.get());
        if (!ends) return ends.error();
        for (const LinkEnd &end : *ends)
            if (end.outer_ifindex != 0 && !std::ranges::binary_search(judged, end.outer_ifindex))
                late.insert(end.outer_ifindex);
    }
    return late;
}

Result<std::vector<std::string>> read_weaknesses(const ScopePlace &place,
                                                 const std::vector<std::string> &paths) {
    const auto links = ScopeLinks::open(place.directory());
    if (!links) return links.error();
    const auto judged = links->judged(), dead = links->dead(), inside = links->dead_inside();
    for (const auto *each : {&judged, &dead, &inside})
        if (!*each) return each->error();
    std::vector<std::string> directories;
    for (const auto &path : paths)
        directories.push_back(place.cgroup_root + "/" + path);
    const auto late = late_links(directories, *judged);
    if (!late) return late.error();
    std::vector<std::string> told;
    for (const int ifindex : *dead)
        told.push_back(fmt::format("frames that come in by {} are not judged any more, or not before another "
                                   "program: attach again to the cgroup behind it",
                                   name_of(ifindex)));
    for (const int ifindex : *inside)
        told.push_back(fmt::format("the container behind {} has lost the second program at its own end of "
                                   "that link: attach again to the cgroup behind it",
                                   name_of(ifindex)));
    for (const int ifindex : *late)
        told.push_back(fmt::format("frames that come in by {} are not judged yet: attach again to the cgroup "
                                   "behind it",
                                   name_of(ifindex)));
    return told;
}

} // namespace

std::vector<std::string> link_weaknesses(const ScopePlace &place, const std::vector<std::string> &paths) {
    auto told = read_weaknesses(place, paths);
    if (!told) return {"which links of containers are judged cannot be read: " + told.error().message};
    return *std::move(told);
}

} // namespace lk
