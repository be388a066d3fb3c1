// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "base/text.h"
#include "cli/cgroup_policy.h"
#include "cli/command.h"
#include "control/cgroups.h"
#include "control/launch.h"

namespace lk {

Finish define_run(CLI::App &app) {
    struct Options {
        PolicyOptions policy;
        std::optional<std::string> unit;
        std::vector<std::string> command;
    };
    const auto options = std::make_shared<Options>();
    add_cgroup_options(app, options->policy);
    app.add_option("--unit", options->unit, "Name of the cgroup that is made for it")->type_name("NAME");
    app.add_option("COMMAND", options->command, "What to run, after --")->required()->type_name("");
    app.positionals_at_end();
    return [options]() -> Result<Run> {
        const Result<Policy> policy = to_cgroup_policy(options->policy);
        if (!policy) return policy.error();
        LaunchRequest request{options->command, {}, *policy};
        if (options->unit) {
            const Result<std::string> unit = parse_unit_name(*options->unit);
            if (!unit) return Error{unit.error().exit, "--unit: " + unit.error().message};
            request.unit = *unit;
        }
        return Run([request = std::move(request)](const Globals &globals) -> Result<Exit> {
            const Result<ScopePlace> place = find_scope_place(globals.bpffs, globals.cgroup_root);
            if (!place) return place.error();
            const auto tell = [](const std::vector<std::string> &notices) {
                for (const std::string &notice : notices)
                    fmt::print(stderr, "leakbpf: notice: {}\n", notice);
            };
            const Result<Launched> launched = launch(*place, request, tell);
            if (!launched) return launched.error();
            if (launched->left)
                fmt::print(stderr,
                           "leakbpf: processes of the command are still in the cgroup {}, and its policy "
                           "stays; leakbpf detach --cgroup takes it off\n",
                           quote(*launched->left));
            if (launched->stays)
                fmt::print(stderr, "leakbpf: the command's policy stays where it was: {}\n",
                           *launched->stays);
            return static_cast<Exit>(launched->status);
        });
    };
}

} // namespace lk
