// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/cgroup_policy.h"
#include "cli/command.h"
#include "cli/duration.h"
#include "cli/output.h"
#include "cli/policy_options.h"
#include "control/dry_run.h"
#include "control/guarantees.h"
#include "control/trial.h"
#include "render/cgroups.h"
#include "render/plan.h"

namespace lk {

namespace {

struct Options {
    PolicyOptions policy;
    std::vector<std::string> cgroups;
    std::vector<std::string> required;
    std::optional<std::string> trial;
    bool no_follow = false, dry_run = false;
};

Result<Run> attach_to_cgroups(const Options &options) {
    if (options.no_follow || options.trial || options.dry_run || !options.required.empty())
        return bad_input("--cgroup goes with options of the policy only: --no-follow, --try, --require and "
                         "--dry-run are for uplinks");
    Result<Policy> asked = to_cgroup_policy(options.policy);
    if (!asked) return asked.error();
    return Run([names = options.cgroups, policy = *std::move(asked)](const Globals &globals) -> Result<Exit> {
        const Result<ScopePlace> place = find_scope_place(globals.bpffs, globals.cgroup_root);
        if (!place) return place.error();
        const Result<CgroupAnswer> answer = attach_cgroups(*place, names, policy);
        if (!answer) return answer.error();
        print(globals.json ? cgroups_attached_json(*answer) : cgroups_attached_text(*answer));
        return Exit::ok;
    });
}

} // namespace

Finish define_attach(CLI::App &app) {
    const auto options = std::make_shared<Options>();
    add_policy_options(app, options->policy);
    app.add_option(
           "--cgroup", options->cgroups,
           "Guard this cgroup, in any network namespace, instead of uplinks: its policy beside all others")
        ->type_name("PATH|UNIT|container:ID")
        ->allow_extra_args(false);
    add_cgroup_only_options(app, options->policy);
    app.add_flag("--no-follow", options->no_follow, "Leave no follower in the background")
        ->disable_flag_override();
    app.add_option("--try", options->trial,
                   "Take the policy back after so long, unless leakbpf keep comes before")
        ->type_name("SECONDS");
    app.add_option("--require", options->required,
                   "Attach nothing unless these guarantees hold; leakbpf doctor names them")
        ->type_name("GUARANTEE[,...]")
        ->allow_extra_args(false);
    app.add_flag("--dry-run", options->dry_run, "Print what would be done, and do nothing")
        ->disable_flag_override();
    return [options]() -> Result<Run> {
        if (!options->cgroups.empty()) return attach_to_cgroups(*options);
        if (Result<void> good = check_uplink_options(options->policy); !good) return good.error();
        Result<AttachRequest> request = to_request(options->policy);
        if (!request) return request.error();
        request->follow = !options->no_follow;
        request->required = options->required;
        if (options->trial) {
            const auto time = parse_bounded(*options->trial, "a trial", trial_least, trial_most, "60");
            if (!time) return Error{time.error().exit, "--try: " + time.error().message};
            if (options->no_follow)
                return bad_input(
                    "--try and --no-follow: it is the follower that takes the policy back, so there "
                    "must be one; leave one of the two out");
            request->trial = *time;
        }
        if (const auto known = parse_guarantees(options->required); !known)
            return Error{known.error().exit, "--require: " + known.error().message};
        if (options->dry_run)
            return Run([asked = *std::move(request)](const Globals &globals) -> Result<Exit> {
                const Result<DryRun> dry = dry_run(globals.bpffs, globals.cgroup_root, asked);
                if (!dry) return dry.error();
                print(globals.json ? plan_json(*dry) : plan_text(*dry));
                return Exit::ok;
            });
        return Run([asked = *std::move(request)](const Globals &globals) -> Result<Exit> {
            const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, true);
            if (!site) return site.error();
            const Result<AttachAnswer> answer = attach(*site, asked);
            if (!answer) return answer.error();
            print(globals.json ? attach_json(*answer) : attach_text(*answer));
            return Exit::ok;
        });
    };
}

} // namespace lk
