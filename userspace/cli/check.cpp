// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/output.h"
#include "cli/policy_options.h"
#include "control/dry_run.h"
#include "render/plan.h"

namespace lk {

Finish define_check(CLI::App &app) {
    const auto options = std::make_shared<PolicyOptions>();
    add_policy_options(app, *options);
    return [options]() -> Result<Run> {
        Result<AttachRequest> request = to_request(*options);
        if (!request) return request.error();
        return Run([asked = *std::move(request)](const Globals &globals) -> Result<Exit> {
            const Result<DryRun> dry = check(globals.cgroup_root, asked);
            if (!dry) return dry.error();
            print(globals.json ? plan_json(*dry) : plan_text(*dry));
            return Exit::ok;
        });
    };
}

} // namespace lk
