// SPDX-License-Identifier: MIT
#include "control/site.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "net/netns.h"

namespace lk {

namespace {

bool exists(const std::string &root, const std::string &path) {
    std::error_code error;
    return std::filesystem::exists(std::filesystem::path(root) / path, error);
}

Result<void> check_root() {
    if (geteuid() == 0) return {};
    return Error{Exit::permission, "the filter belongs to root: run this as root, with sudo for instance"};
}

} // namespace

Result<Site> find_site(const std::string &bpffs, const std::string &cgroup_root_given, bool with_cgroup) {
    if (Result<void> root = check_root(); !root) return root.error();
    Site site;
    site.place.bpffs = bpffs;
    if (Result<void> good = check_bpffs(bpffs); !good) return good.error();
    Result<std::string> root = cgroup_root(cgroup_root_given);
    if (root) site.place.cgroup_root = *root;
    // Given but wrong is an error for every command; not to be found matters only to those that attach.
    else if (with_cgroup || !cgroup_root_given.empty())
        return root.error();
    Result<std::uint64_t> cookie = netns_cookie();
    if (!cookie) return cookie.error();
    site.place.netns_cookie = *cookie;
    return site;
}

std::vector<const Policy *> policies(const AttachRequest &request) {
    if (!request.whole) return {&request.policy};
    std::vector<const Policy *> all;
    for (const Scope &scope : request.whole->scopes)
        all.push_back(&scope.policy);
    return all;
}

Result<std::vector<std::string>> resolve_cgroups(AttachRequest &request, const std::string &root) {
    std::vector<std::string> notices;
    if (!request.whole) {
        if (Result<void> done = resolve_cgroups(request.policy, root); !done) return done.error();
        return notices;
    }
    for (Scope &scope : request.whole->scopes) {
        Policy there = scope.policy; // of which all cgroups exist
        std::erase_if(there.vpn_cgroups,
                      [&root](const VpnCgroup &cgroup) { return !exists(root, cgroup.path); });
        if (Result<void> done = resolve_cgroups(there, root); !done) return done.error();
        for (VpnCgroup &cgroup : scope.policy.vpn_cgroups) {
            const auto found = std::ranges::find(there.vpn_cgroups, cgroup.path, &VpnCgroup::path);
            if (found != there.vpn_cgroups.end())
                cgroup = *found;
            else
                notices.push_back(fmt::format(
                    "there is no cgroup {} now: what it sends passes once it is there", quote(cgroup.path)));
        }
    }
    return notices;
}

bool refresh_cgroups(Document &document, const std::string &root) {
    bool changed = false;
    for (Scope &scope : document.scopes)
        for (VpnCgroup &cgroup : scope.policy.vpn_cgroups) {
            if (!exists(root, cgroup.path)) continue;
            const Result<CgroupId> found = cgroup_id(root, cgroup.path);
            if (!found || (found->id == cgroup.id && found->level == cgroup.level)) continue;
            cgroup.id = found->id;
            cgroup.level = found->level;
            changed = true;
        }
    return changed;
}

Result<Site> find_broken_site(const std::string &bpffs) {
    if (Result<void> root = check_root(); !root) return root.error();
    Result<std::uint64_t> cookie = netns_cookie();
    if (!cookie) return cookie.error();
    return Site{Place{bpffs, "", *cookie}};
}

Result<void> resolve_cgroups(Policy &policy, const std::string &root) {
    for (VpnCgroup &cgroup : policy.vpn_cgroups) {
        const Result<CgroupId> found = cgroup_id(root, cgroup.path);
        if (!found) return found.error();
        cgroup.id = found->id;
        cgroup.level = found->level;
    }
    return {};
}

} // namespace lk
