// SPDX-License-Identifier: MIT
#include "control/dry_run.h"

#include <unistd.h>

#include <algorithm>

#include "control/root_sockets.h"
#include "control/site.h"
#include "net/netns.h"

namespace lk {

namespace {

Result<DryRun> plan_over(const std::string &cgroup_root_given, AttachRequest request,
                         const Document &current) {
    std::vector<std::string> notices;
    const auto names_cgroups = [](const Policy *policy) { return !policy->vpn_cgroups.empty(); };
    if (std::ranges::any_of(policies(request), names_cgroups) || !cgroup_root_given.empty()) {
        const Result<std::string> root = cgroup_root(cgroup_root_given);
        if (!root) return root.error();
        auto absent = resolve_cgroups(request, *root);
        if (!absent) return absent.error();
        notices = *std::move(absent);
    }
    Result<Topology> topology = read_topology();
    if (!topology) return topology.error();
    Result<Plan> plan = plan_attach(request, current, *topology);
    if (!plan) return plan.error();
    for (const Policy *policy : policies(request))
        for (std::string &notice : root_sockets(*policy))
            notices.push_back(std::move(notice));
    plan->built.notices.insert(plan->built.notices.end(), notices.begin(), notices.end());
    return DryRun{*std::move(plan), *std::move(topology)};
}

} // namespace

Result<DryRun> check(const std::string &cgroup_root, const AttachRequest &request) {
    return plan_over(cgroup_root, request, {});
}

Result<DryRun> dry_run(const std::string &bpffs, const std::string &cgroup_root,
                       const AttachRequest &request) {
    if (geteuid() != 0) {
        Result<DryRun> dry = plan_over(cgroup_root, request, {});
        if (dry)
            dry->plan.built.notices.emplace_back(
                "not root: what is in force now could not be read, so this is "
                "shown as if nothing were attached");
        return dry;
    }
    const Result<Site> site = find_site(bpffs, cgroup_root, true);
    if (!site) return site.error();
    Result<std::optional<State>> state = State::find(site->place);
    if (!state) return state.error();
    Document current;
    if (*state && (*state)->epoch() != 0) {
        Result<Document> document = (*state)->document();
        if (!document) return document.error();
        current = *std::move(document);
    }
    return plan_over(cgroup_root, request, current);
}

} // namespace lk
