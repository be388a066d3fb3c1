// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/duration.h"
#include "cli/output.h"
#include "cli/policy_options.h"
#include "control/dry_run.h"
#include "control/guarantees.h"
#include "control/trial.h"
#include "render/plan.h"

namespace lk {

Finish define_attach(CLI::App &app) {
    struct Options {
        PolicyOptions policy;
        std::vector<std::string> required;
        std::optional<std::string> trial;
        bool no_follow = false, dry_run = false;
    };
    const auto options = std::make_shared<Options>();
    add_policy_options(app, options->policy);
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
