// SPDX-License-Identifier: MIT
#include "cli/cgroup_policy.h"

#include <fmt/format.h>

#include <string>

namespace lk {

namespace {

Error not_for_cgroups(const std::string &option) {
    return bad_input(fmt::format("{} means nothing for a cgroup: leave it out", option));
}

bool is_given(const PolicyOptions::Given &given) {
    return given.flag || given.word || !given.list.empty();
}

} // namespace

void add_cgroup_options(CLI::App &app, PolicyOptions &options) {
    for (std::size_t index = 0; index < settings().size(); ++index)
        if (settings()[index].for_cgroups) add_setting(app, settings()[index], options.given[index]);
}

void add_cgroup_only_options(CLI::App &app, PolicyOptions &options) {
    for (std::size_t index = 0; index < settings().size(); ++index)
        if (!settings()[index].for_uplinks) add_setting(app, settings()[index], options.given[index]);
}

Result<void> check_uplink_options(const PolicyOptions &options) {
    for (std::size_t index = 0; index < settings().size(); ++index)
        if (is_given(options.given[index]) && !settings()[index].for_uplinks)
            return bad_input(fmt::format("--{} is for the policy of a cgroup: give --cgroup, or leave it out",
                                         settings()[index].option));
    return {};
}

Result<Policy> to_cgroup_policy(const PolicyOptions &options) {
    if (!options.interfaces.empty()) return not_for_cgroups("IFACE");
    if (options.all_uplinks) return not_for_cgroups("--all-uplinks");
    if (options.only) return not_for_cgroups("--only");
    for (std::size_t index = 0; index < settings().size(); ++index)
        if (is_given(options.given[index]) && !settings()[index].for_cgroups)
            return not_for_cgroups(std::string("--") + settings()[index].option);
    Result<AttachRequest> request = to_request(options);
    if (!request) return request.error();
    return std::move(request->policy);
}

} // namespace lk
