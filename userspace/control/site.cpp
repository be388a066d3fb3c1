// SPDX-License-Identifier: MIT
#include <unistd.h>

#include "control/control.h"
#include "control/site.h"
#include "net/netns.h"

namespace lk {

Result<Site> find_site(const std::string &bpffs, const std::string &cgroup_root_given, bool with_cgroup) {
    if (geteuid() != 0)
        return Error{Exit::permission,
                     "the filter belongs to root: run this as root, with sudo for instance"};
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
