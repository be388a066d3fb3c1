// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "config/config.h"
#include "control/dry_run.h"
#include "control/guarantees.h"
#include "render/plan.h"

namespace lk {

namespace {

struct Options {
    std::string path = default_config;
    std::vector<std::string> required;
    bool no_follow = false, or_lockdown = false, dry_run = false;
};

Result<Exit> preview(const Globals &globals, const Options &options, const AttachRequest &request) {
    const Result<DryRun> dry = dry_run(globals.bpffs, globals.cgroup_root, request);
    if (!dry) return in_configuration(options.path, dry.error());
    print(globals.json ? plan_json(*dry) : plan_text(*dry));
    return Exit::ok;
}

Result<Exit> run(const Globals &globals, const Options &options) {
    Result<AttachRequest> request = config_request(options.path);
    if (request) {
        request->follow = !options.no_follow;
        // Whoever wants that wants nothing to be open for want of a follower either.
        request->gate = options.or_lockdown;
        request->required = options.required;
    }
    if (options.dry_run) {
        if (!request) return request.error();
        return preview(globals, options, *request);
    }
    Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, true);
    if (!site && options.or_lockdown) { // which needs no cgroups
        request = site.error();
        site = find_site(globals.bpffs, "", false);
    }
    if (!site) return site.error();
    const Result<Applied> applied =
        apply(*site, options.path, request, options.or_lockdown, !options.no_follow);
    if (!applied) return applied.error();
    print(globals.json ? attach_json(applied->answer) : attach_text(applied->answer));
    if (!applied->locked_down) return Exit::ok;
    fmt::print(stderr, "leakbpf: {}; until it is mended nothing may leave (lockdown)\n",
               applied->locked_down->message);
    return Exit::locked_down;
}

} // namespace

Finish define_apply(CLI::App &app) {
    const auto options = std::make_shared<Options>();
    app.add_option("--config", options->path, "The configuration")->type_name("FILE")->capture_default_str();
    app.add_flag("--or-lockdown", options->or_lockdown,
                 "Where it cannot be used and nothing is in force yet: lockdown on every uplink")
        ->disable_flag_override();
    app.add_flag("--no-follow", options->no_follow, "Leave no follower in the background")
        ->disable_flag_override();
    app.add_option("--require", options->required,
                   "Change nothing unless these guarantees hold; leakbpf doctor names them")
        ->type_name("GUARANTEE[,...]")
        ->allow_extra_args(false);
    app.add_flag("--dry-run", options->dry_run, "Print what would be done, and do nothing")
        ->disable_flag_override();
    return [options]() -> Result<Run> {
        if (const auto known = parse_guarantees(options->required); !known)
            return Error{known.error().exit, "--require: " + known.error().message};
        return Run([options](const Globals &globals) { return run(globals, *options); });
    };
}

} // namespace lk
