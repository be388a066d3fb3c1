// SPDX-License-Identifier: MIT
#include "control/cgroups.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/text.h"
#include "control/control.h"
#include "control/held.h"
#include "control/uid_map.h"
#include "leakbpf/scope.h"
#include "net/netns.h"

namespace lk {

namespace {

constexpr std::size_t tidied_each_time = 4; // rows that each attach looks at: more than it adds

Result<ScopeCgroup> cgroup_of(const ScopePlace &place, const std::string &path) {
    const Result<CgroupId> found = cgroup_id(place.cgroup_root, path);
    if (!found) return found.error();
    if (found->level >= LK_SCOPE_LEVELS)
        return bad_input(
            fmt::format("cgroup {} is {} levels below the root of the hierarchy: expected one at "
                        "most {} below it",
                        quote(path), found->level, LK_SCOPE_LEVELS - 1));
    ScopeCgroup cgroup{found->id, found->level, path, {}};
    std::filesystem::path at = place.cgroup_root;
    for (const auto &part : std::filesystem::path(path)) {
        at /= part;
        struct stat st {};
        if (::stat(at.c_str(), &st) != 0)
            return failure(fmt::format("cannot read the cgroup {}: {}", quote(path), std::strerror(errno)));
        cgroup.above.push_back(st.st_ino);
    }
    return cgroup;
}

// The policies over PATH, its own included, the outermost first.
Result<std::vector<ScopeEntry>> entries_over(const ScopePlace &place, const ScopeState &state,
                                             const std::string &path) {
    std::vector<ScopeEntry> over;
    std::filesystem::path at;
    for (const auto &part : std::filesystem::path(path)) {
        at /= part;
        const Result<CgroupId> found = cgroup_id(place.cgroup_root, at.string());
        if (!found) return found.error();
        auto entry = state.entry(found->id);
        if (!entry) return entry.error();
        if (*entry) over.push_back(**std::move(entry));
    }
    return over;
}

bool covers(const std::vector<Gateway> &gateways, const Gateway &wanted) {
    return std::ranges::any_of(gateways, [&](const Gateway &gateway) {
        return gateway.prefix.contains(wanted.prefix) &&
               (gateway.protocol == Protocol::any || gateway.protocol == wanted.protocol) &&
               (gateway.port == 0 || gateway.port == wanted.port);
    });
}

// What the policy allows and one around it does not: it stays refused, which is no error.
void tell_uncovered(const ScopeCgroup &cgroup, const Policy &policy, const ScopeEntry &outer,
                    std::vector<std::string> &notices) {
    const auto tell = [&](const char *option, const std::string &value) {
        notices.push_back(fmt::format("{}: {} {} is not allowed by the policy of {} around it, so it stays "
                                      "refused",
                                      cgroup.path, option, value, outer.cgroup.path));
    };
    for (const Gateway &gateway : policy.gateways)
        if (!covers(outer.policy.gateways, gateway)) tell("--gw", gateway.str());
    for (const Prefix &prefix : policy.lan)
        if (std::ranges::none_of(outer.policy.lan, [&](const Prefix &lan) { return lan.contains(prefix); }))
            tell("--lan", prefix.str());
    for (const Resolver &resolver : policy.resolvers)
        if (std::ranges::find(outer.policy.resolvers, resolver) == outer.policy.resolvers.end())
            tell("--dns", resolver.str());
}

// A cgroup, and the policy for it with its own users.
struct Wanted {
    ScopeCgroup cgroup;
    Policy policy;
};

// All names first: one that is wrong changes nothing.
Result<std::vector<Wanted>> all_wanted(const ScopePlace &place, const std::vector<std::string> &names,
                                       const Policy &policy) {
    std::vector<Wanted> all;
    for (const std::string &name : names) {
        const Result<std::string> path = find_cgroup(place.cgroup_root, name);
        if (!path) return Error{path.error().exit, "--cgroup: " + path.error().message};
        Result<ScopeCgroup> cgroup = cgroup_of(place, *path);
        if (!cgroup) return cgroup.error();
        Wanted wanted{*std::move(cgroup), policy};
        const auto directory = (std::filesystem::path(place.cgroup_root) / *path).string();
        if (Result<void> done = translate_users(directory, wanted.policy); !done) return done.error();
        all.push_back(std::move(wanted));
    }
    return all;
}

// Adds what the policies around it do not cover to NOTICES; an error where there are too many of them.
Result<void> look_outside(const ScopePlace &place, const ScopeState &state, const Wanted &wanted,
                          std::vector<std::string> &notices) {
    const auto over = entries_over(place, state, wanted.cgroup.path);
    if (!over) return over.error();
    std::size_t outer = 0;
    for (const ScopeEntry &entry : *over) {
        if (entry.cgroup.id == wanted.cgroup.id) continue;
        ++outer;
        tell_uncovered(wanted.cgroup, wanted.policy, entry, notices);
    }
    if (outer < LK_SCOPE_NEST) return {};
    return bad_input(fmt::format("{} cgroups around {} have a policy: expected at most {}", outer,
                                 quote(wanted.cgroup.path), LK_SCOPE_NEST - 1));
}

Result<void> put_all(const ScopePlace &place, ScopeState &state, const std::vector<Wanted> &all,
                     CgroupAnswer &answer) {
    for (const Wanted &wanted : all)
        if (Result<void> good = look_outside(place, state, wanted, answer.notices); !good) return good;
    for (const Wanted &wanted : all) {
        if (Result<void> put = state.put(wanted.cgroup, wanted.policy); !put) return put;
        answer.attached.push_back(wanted.cgroup.path);
    }
    if (Result<void> attached = state.attach_hooks(); !attached) return attached;
    return state.tidy(tidied_each_time * all.size());
}

Error none_attached() {
    return Error{Exit::not_attached, "no cgroup has a policy"};
}

} // namespace

Result<ScopePlace> find_scope_place(const std::string &bpffs, const std::string &given_root) {
    if (geteuid() != 0)
        return Error{Exit::permission,
                     "the filter belongs to root: run this as root, with sudo for instance"};
    if (Result<void> good = check_bpffs(bpffs); !good) return good.error();
    const Result<std::string> root = cgroup_root(given_root);
    if (!root) return root.error();
    struct stat st {};
    if (::stat(root->c_str(), &st) != 0)
        return failure(fmt::format("cannot read {}: {}", *root, std::strerror(errno)));
    return ScopePlace{bpffs, *root, st.st_ino};
}

Result<CgroupAnswer> attach_cgroups(const ScopePlace &place, const std::vector<std::string> &names,
                                    const Policy &policy) {
    const Result<Lock> lock = lock_scopes(place, lock_limit);
    if (!lock) return lock.error();
    const Result<std::vector<Wanted>> wanted = all_wanted(place, names, policy);
    if (!wanted) return wanted.error();
    const auto before = ScopeState::find(place);
    const bool fresh = before && (!*before || (*before)->empty()); // what cannot be read may hold policies
    CgroupAnswer answer;
    Error error;
    {
        Result<ScopeState> state = ScopeState::open_or_create(place);
        if (state) {
            if (Result<void> done = put_all(place, *state, *wanted, answer); done)
                return answer;
            else
                error = done.error();
        } else {
            error = state.error();
        }
    }
    if (fresh) { // there was nothing, so nothing is left
        if (Result<void> removed = ScopeState::remove_all(place); !removed)
            error.message += "; and taking back what was made failed: " + removed.error().message;
    } else if (!answer.attached.empty()) {
        error.message += fmt::format("; the policy holds already for {}", fmt::join(answer.attached, ", "));
    }
    return error;
}

Result<CgroupAnswer> attach_container(const ScopePlace &place, int pid, const Policy &policy) {
    const Result<std::string> path = cgroup_of_process(place.cgroup_root, pid);
    if (!path) return path.error();
    const Result<std::string> own = cgroup_of_process(place.cgroup_root, static_cast<int>(::getpid()));
    if (!own) return own.error();
    if (path->empty() || *path == *own)
        return failure(
            fmt::format("the container's process {} is in no cgroup of its own (it is in {}), so it "
                        "can have no policy of its own",
                        pid, quote("/" + *path)));
    return attach_cgroups(place, {(std::filesystem::path(place.cgroup_root) / *path).string()}, policy);
}

Result<std::vector<std::string>> detach_cgroups(const ScopePlace &place,
                                                const std::vector<std::string> &names) {
    const Result<Lock> lock = lock_scopes(place, lock_limit);
    if (!lock) return lock.error();
    std::vector<std::string> detached;
    {
        Result<std::optional<ScopeState>> state = ScopeState::find(place);
        if (!state) return state.error();
        if (!*state) return none_attached();
        const Result<std::vector<ScopeEntry>> entries = (*state)->entries();
        if (!entries) return entries.error();
        std::vector<const ScopeEntry *> chosen;
        for (const std::string &name : names) {
            const Result<std::string> path = find_cgroup(place.cgroup_root, name);
            const Result<CgroupId> id = path ? cgroup_id(place.cgroup_root, *path) : path.error();
            const auto before = chosen.size();
            for (const ScopeEntry &entry : *entries)
                if (id ? entry.cgroup.id == id->id : entry.cgroup.path == name) chosen.push_back(&entry);
            if (chosen.size() != before) continue;
            if (!path) return Error{path.error().exit, "--cgroup: " + path.error().message};
            return Error{Exit::not_attached, fmt::format("cgroup {} has no policy", quote(name))};
        }
        std::vector<std::uint64_t> ids;
        for (const ScopeEntry *entry : chosen) {
            ids.push_back(entry->cgroup.id);
            detached.push_back(entry->cgroup.path);
        }
        if (Result<void> removed = (*state)->remove(ids); !removed) return removed.error();
        if (!(*state)->empty()) return detached;
    }
    if (Result<void> removed = ScopeState::remove_all(place); !removed) return removed.error();
    return detached;
}

Result<std::optional<CgroupStatus>> read_cgroups(const ScopePlace &place) {
    const Result<std::optional<ScopeState>> state = ScopeState::find(place);
    if (!state) return state.error();
    if (!*state) return std::optional<CgroupStatus>{};
    CgroupStatus status;
    Result<std::vector<ScopeEntry>> entries = (*state)->entries();
    if (!entries) return entries.error();
    status.entries = *std::move(entries);
    for (const std::string &hook : (*state)->dead_hooks())
        status.weaknesses.push_back(
            fmt::format("the hook {} of cgroups' policies is not attached: attach again", hook));
    for (const ScopeEntry &entry : status.entries)
        if (entry.torn)
            status.weaknesses.push_back(
                fmt::format("an attach to cgroup {} was cut off, and what is shown of it "
                            "may not be what holds: attach to it again",
                            quote(entry.cgroup.path)));
    return std::optional{std::move(status)};
}

Result<ProcessStatus> read_process(const ScopePlace &place, int pid) {
    const Result<std::string> path = cgroup_of_process(place.cgroup_root, pid);
    if (!path) return path.error();
    ProcessStatus status{pid, *path, {}};
    const Result<std::optional<ScopeState>> state = ScopeState::find(place);
    if (!state) return state.error();
    if (!*state) return status;
    Result<std::vector<ScopeEntry>> over = entries_over(place, **state, *path);
    if (!over) return over.error();
    status.entries = *std::move(over);
    return status;
}

} // namespace lk
