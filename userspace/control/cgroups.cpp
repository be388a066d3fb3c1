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
#include <functional>
#include <optional>
#include <set>

#include "base/text.h"
#include "control/cgroup_notices.h"
#include "control/container_links.h"
#include "control/control.h"
#include "control/held.h"
#include "control/loopback_resolver.h"
#include "control/uid_map.h"
#include "kernel/pins.h"
#include "leakbpf/scope.h"
#include "net/netns.h"

namespace lk {

namespace {

constexpr std::uint16_t dns_port = 53, dns_tls_port = 853; // which a LAN does not have
constexpr std::size_t tidied_each_time = 4; // rows that each attach looks at: more than it adds

Error replaced(const std::string &path) {
    return failure(fmt::format("the cgroup {} was removed or replaced meanwhile: if it is there, try again",
                               quote(path)));
}

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
    if (cgroup.above.empty() || cgroup.above.back() != cgroup.id) return replaced(path);
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

bool covers(const Gateway &gateway, const Gateway &wanted) {
    return gateway.prefix.contains(wanted.prefix) &&
           (gateway.protocol == Protocol::any || gateway.protocol == wanted.protocol) &&
           (gateway.port == 0 ? wanted.port != dns_port : gateway.port == wanted.port);
}

bool allows(const Policy &outer, const Gateway &wanted) {
    const auto in_lan = [&](const Prefix &lan) { return lan.contains(wanted.prefix); };
    return std::ranges::any_of(outer.gateways, [&](const Gateway &each) { return covers(each, wanted); }) ||
           (wanted.port != dns_port && wanted.port != dns_tls_port && std::ranges::any_of(outer.lan, in_lan));
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
        if (!allows(outer.policy, gateway)) tell("--gw", gateway.str());
    for (const Prefix &prefix : policy.lan)
        if (!allows(outer.policy, {prefix, Protocol::any, 0})) tell("--lan", prefix.str());
    for (const Resolver &resolver : policy.resolvers) {
        const Gateway asked{Prefix::host(resolver.address), Protocol::udp, resolver.port};
        if (std::ranges::find(outer.policy.resolvers, resolver) == outer.policy.resolvers.end() &&
            !allows(outer.policy, asked))
            tell("--dns", resolver.str());
    }
}

// A cgroup, and the policy for it with its own users.
struct Wanted {
    ScopeCgroup cgroup;
    Policy policy;
};

// All names first: one that is wrong changes nothing.
Result<std::vector<Wanted>> all_wanted(const ScopePlace &place, const std::vector<std::string> &names,
                                       const Policy &policy, Users users, std::vector<std::string> &notices) {
    std::vector<Wanted> all;
    for (const std::string &name : names) {
        const Result<std::string> path = find_cgroup(place.cgroup_root, name);
        if (!path) return Error{path.error().exit, "--cgroup: " + path.error().message};
        Result<ScopeCgroup> cgroup = cgroup_of(place, *path);
        if (!cgroup) return cgroup.error();
        Wanted wanted{*std::move(cgroup), policy};
        const auto directory = (std::filesystem::path(place.cgroup_root) / *path).string();
        const auto first = policy.vpn_users.empty() ? std::nullopt : first_process(directory);
        if (users == Users::of_the_cgroup)
            if (Result<void> done = translate_users(first, wanted.policy, notices); !done)
                return done.error();
        all.push_back(std::move(wanted));
    }
    return all;
}

using HasPolicy = std::function<bool(std::uint64_t cgroup_id)>;

// DIRECTORY or one below it that would have more policies over it than there may be, OUTER of them from
// above.
std::optional<std::filesystem::path> too_deep(const std::filesystem::path &directory, std::size_t outer,
                                              const HasPolicy &has_policy) {
    struct stat st {};
    if (::stat(directory.c_str(), &st) != 0) return {};
    if (has_policy(st.st_ino) && ++outer > LK_SCOPE_NEST) return directory;
    std::error_code error, ignored;
    for (std::filesystem::directory_iterator entry{directory, error}, end; !error && entry != end;
         entry.increment(error))
        if (entry->is_directory(ignored))
            if (auto found = too_deep(entry->path(), outer, has_policy)) return found;
    return {};
}

// Adds what the policies around it do not cover to NOTICES; an error where there are too many, over it or
// over one below it.
Result<void> look_around(const ScopePlace &place, const ScopeState &state, const Wanted &wanted,
                         const HasPolicy &has_policy, std::vector<std::string> &notices) {
    const auto over = entries_over(place, state, wanted.cgroup.path);
    if (!over) return over.error();
    for (const ScopeEntry &entry : *over)
        if (entry.cgroup.id != wanted.cgroup.id) tell_uncovered(wanted.cgroup, wanted.policy, entry, notices);
    const auto &above = wanted.cgroup.above;
    const auto outer = static_cast<std::size_t>(std::count_if(above.begin(), above.end() - 1, has_policy));
    const std::filesystem::path root = place.cgroup_root;
    const auto deep = too_deep(root / wanted.cgroup.path, outer, has_policy);
    if (!deep) return {};
    return bad_input(
        fmt::format("with a policy on {} there would be {} over {}: expected at most {}, or nothing "
                    "passes there",
                    quote(wanted.cgroup.path), LK_SCOPE_NEST + 1,
                    quote(deep->lexically_relative(root).string()), LK_SCOPE_NEST));
}

Result<void> put_all(const ScopePlace &place, ScopeState &state, const std::vector<Wanted> &all,
                     CgroupAnswer &answer) {
    std::set<std::uint64_t> wanted_ids;
    for (const Wanted &wanted : all)
        wanted_ids.insert(wanted.cgroup.id);
    const HasPolicy has_policy = [&](std::uint64_t id) { return wanted_ids.contains(id) || state.holds(id); };
    for (const Wanted &wanted : all)
        if (Result<void> good = look_around(place, state, wanted, has_policy, answer.notices); !good)
            return good;
    for (const Wanted &wanted : all) {
        if (Result<void> put = state.put(wanted.cgroup, wanted.policy); !put) return put;
        answer.attached.push_back(wanted.cgroup.path);
    }
    if (Result<void> attached = state.attach_hooks(); !attached) return attached;
    for (const Wanted &wanted : all) // by that name there may be another by now, which has no policy
        if (const Result<CgroupId> now = cgroup_id(place.cgroup_root, wanted.cgroup.path);
            !now || now->id != wanted.cgroup.id)
            return replaced(wanted.cgroup.path);
    for (const Wanted &wanted : all) {
        const auto whole = judge_links(place, state, wanted.cgroup.path, answer.notices);
        if (!whole) return whole.error();
        if (*whole) answer.judged.push_back(wanted.cgroup.path);
    }
    return state.tidy(tidied_each_time * all.size());
}

// Whoever may change policies.
Result<void> check_caller(const std::string &bpffs) {
    if (geteuid() != 0)
        return Error{Exit::permission,
                     "the filter belongs to root: run this as root, with sudo for instance"};
    return check_bpffs(bpffs);
}

Error none_attached() {
    return Error{Exit::not_attached, "no cgroup has a policy"};
}

} // namespace

Result<ScopePlace> find_scope_place(const std::string &bpffs, const std::string &given_root) {
    if (Result<void> good = check_caller(bpffs); !good) return good.error();
    const Result<std::string> root = cgroup_root(given_root);
    if (!root) return root.error();
    struct stat st {};
    if (::stat(root->c_str(), &st) != 0)
        return failure(fmt::format("cannot read {}: {}", *root, std::strerror(errno)));
    return ScopePlace{bpffs, *root, st.st_ino};
}

namespace {

Result<CgroupAnswer> attach_locked(const ScopePlace &place, const std::vector<std::string> &names,
                                   const Policy &policy, Users users) {
    const Result<Lock> lock = lock_scopes(place, lock_limit);
    if (!lock) return lock.error();
    CgroupAnswer answer;
    const Result<std::vector<Wanted>> wanted = all_wanted(place, names, policy, users, answer.notices);
    if (!wanted) return wanted.error();
    const auto before = ScopeState::find(place);
    const bool fresh = before && (!*before || (*before)->empty()); // what cannot be read may hold policies
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
        if (Result<void> removed = ScopeState::remove_all(place.directory()); !removed)
            error.message += "; and taking back what was made failed: " + removed.error().message;
    } else if (!answer.attached.empty()) {
        error.message += fmt::format("; the policy holds already for {}", fmt::join(answer.attached, ", "));
    }
    return error;
}

// When the lock is free again: what is read is the cgroup's, and may keep whoever reads it waiting.
void tell_of_resolver(const ScopePlace &place, const Policy &policy, CgroupAnswer &answer) {
    if (policy.resolvers.empty()) return;
    for (const std::string &path : answer.attached)
        if (auto notice = loopback_resolver(policy, first_process(place.cgroup_root + "/" + path)))
            answer.notices.push_back(*std::move(notice));
}

} // namespace

Result<CgroupAnswer> attach_cgroups(const ScopePlace &place, const std::vector<std::string> &names,
                                    const Policy &policy, Users users) {
    Result<CgroupAnswer> answer = attach_locked(place, names, policy, users);
    if (!answer) return answer;
    tell_of_resolver(place, policy, *answer);
    for (const std::string &path : answer->attached)
        for (std::string &notice :
             process_notices(place.cgroup_root, path, policy, std::ranges::count(answer->judged, path) > 0))
            answer->notices.push_back(std::move(notice));
    return answer;
}

Result<CgroupAnswer> attach_container(const ScopePlace &place, int pid, const Policy &policy) {
    if (!proc_has_own_numbers())
        return failure(
            fmt::format("whose process {} is cannot be told in the container's pid namespace: the hook "
                        "belongs to the stage createRuntime, which runs outside",
                        pid));
    const Result<std::string> path = cgroup_of_process(place.cgroup_root, pid);
    if (!path) return path.error();
    const Result<std::string> own = cgroup_of_process(place.cgroup_root, static_cast<int>(::getpid()));
    if (!own) return own.error();
    if (path->empty() || *path == *own)
        return failure(
            fmt::format("the container's process {} is in no cgroup of its own (it is in {}), so it "
                        "can have no policy of its own",
                        pid, quote("/" + *path)));
    Result<CgroupAnswer> answer = attach_locked(
        place, {(std::filesystem::path(place.cgroup_root) / *path).string()}, policy, Users::of_the_cgroup);
    if (answer) tell_of_resolver(place, policy, *answer); // its process has its own capabilities later only
    return answer;
}

namespace {

using Chosen = Result<std::vector<const ScopeEntry *>>;

Result<std::vector<std::string>>
detach_those(const ScopePlace &place,
             const std::function<Chosen(const std::vector<ScopeEntry> &entries)> &choose) {
    const Result<Lock> lock = lock_scopes(place, lock_limit);
    if (!lock) return lock.error();
    std::vector<std::string> detached;
    {
        Result<std::optional<ScopeState>> state = ScopeState::find(place);
        if (!state) {
            Error error = state.error();
            error.message += "; leakbpf detach --cgroup --all takes off everything, however broken";
            return error;
        }
        if (!*state) return none_attached();
        const Result<std::vector<ScopeEntry>> entries = (*state)->entries();
        if (!entries) return entries.error();
        const Chosen chosen = choose(*entries);
        if (!chosen) return chosen.error();
        std::vector<std::uint64_t> ids, freed;
        for (const ScopeEntry *entry : *chosen) {
            ids.push_back(entry->cgroup.id);
            if (!entry->gone) freed.push_back(entry->cgroup.id);
            detached.push_back(entry->cgroup.path);
        }
        if (Result<void> removed = (*state)->remove(ids); !removed) return removed.error();
        if (Result<void> tidied = tidy_links(place, **state, freed); !tidied) return tidied.error();
        if (!(*state)->empty()) return detached;
    }
    if (Result<void> removed = ScopeState::remove_all(place.directory()); !removed) return removed.error();
    return detached;
}

} // namespace

Result<std::vector<std::string>> detach_cgroups(const ScopePlace &place,
                                                const std::vector<std::string> &names) {
    return detach_those(place, [&](const std::vector<ScopeEntry> &entries) -> Chosen {
        std::vector<const ScopeEntry *> chosen;
        for (const std::string &name : names) {
            const Result<std::string> path = find_cgroup(place.cgroup_root, name);
            const Result<CgroupId> id = path ? cgroup_id(place.cgroup_root, *path) : path.error();
            const auto before = chosen.size();
            for (const ScopeEntry &entry : entries)
                if (id ? entry.cgroup.id == id->id : entry.cgroup.path == name) chosen.push_back(&entry);
            if (chosen.size() != before) {
                if (std::ranges::count(chosen, chosen.back()) > 1) chosen.pop_back(); // named twice
                continue;
            }
            if (!path) return Error{path.error().exit, "--cgroup: " + path.error().message};
            return Error{Exit::not_attached, fmt::format("cgroup {} has no policy", quote(name))};
        }
        return chosen;
    });
}

Result<std::vector<std::string>> detach_gone_cgroups(const ScopePlace &place) {
    return detach_those(place, [](const std::vector<ScopeEntry> &entries) -> Chosen {
        std::vector<const ScopeEntry *> gone;
        for (const ScopeEntry &entry : entries)
            if (entry.gone) gone.push_back(&entry);
        return gone;
    });
}

Result<void> detach_all_cgroups(const std::string &bpffs) {
    if (Result<void> good = check_caller(bpffs); !good) return good;
    Result<void> first;
    for (const std::string &directory : ScopeState::directories(bpffs)) {
        const Result<Lock> lock = lock_scopes(bpffs, directory, lock_limit);
        const Result<void> done = lock ? ScopeState::remove_all(directory) : lock.error();
        if (!done && first) first = done;
    }
    return first;
}

bool any_cgroup_policy(const std::string &bpffs) {
    return std::ranges::any_of(ScopeState::directories(bpffs), [](const std::string &directory) {
        return !list_directory(directory).empty();
    });
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
    std::vector<std::string> paths;
    for (const ScopeEntry &entry : status.entries)
        if (!entry.gone) paths.push_back(entry.cgroup.path);
    for (std::string &weakness : link_weaknesses(place, paths))
        status.weaknesses.push_back(std::move(weakness));
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
