// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "cli/policy_options.h"
#include "control/dry_run.h"
#include "render/plan.h"

namespace lk {

namespace {

struct Options {
    PolicyOptions policy;
    std::optional<std::string> config;
};

Result<AttachRequest> requested(const Options &options) {
    if (!options.config) return to_request(options.policy);
    if (options.policy.any())
        return bad_input(
            "--config takes all from the file: leave out the other options of check, or --config");
    return config_request(*options.config);
}

} // namespace

Finish define_check(CLI::App &app) {
    const auto options = std::make_shared<Options>();
    add_policy_options(app, options->policy);
    app.add_option("--config", options->config, "Check this configuration instead")->type_name("FILE");
    return [options]() -> Result<Run> {
        Result<AttachRequest> request = requested(*options);
        if (!request) return request.error();
        return Run([options, asked = *std::move(request)](const Globals &globals) -> Result<Exit> {
            const Result<DryRun> dry = check(globals.cgroup_root, asked);
            if (!dry) return options->config ? in_configuration(*options->config, dry.error()) : dry.error();
            print(globals.json ? plan_json(*dry) : plan_text(*dry));
            return Exit::ok;
        });
    };
}

} // namespace lk
