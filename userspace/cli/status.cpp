// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <climits>
#include <memory>
#include <optional>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "control/control.h"
#include "render/cgroups.h"
#include "render/status.h"

namespace lk {

namespace {

Result<Exit> show_cgroups(const Globals &globals) {
    const Result<ScopePlace> place = find_scope_place(globals.bpffs, globals.cgroup_root);
    if (!place) return place.error();
    const Result<std::optional<CgroupStatus>> found = read_cgroups(*place);
    if (!found) return found.error();
    const CgroupStatus status = found->value_or(CgroupStatus{});
    print(globals.json ? cgroups_json(status) : cgroups_text(status));
    if (status.entries.empty()) return Exit::not_attached;
    return status.weaknesses.empty() ? Exit::ok : Exit::weakened;
}

Result<Exit> show_process(const Globals &globals, int pid) {
    const Result<ScopePlace> place = find_scope_place(globals.bpffs, globals.cgroup_root);
    if (!place) return place.error();
    const Result<ProcessStatus> status = read_process(*place, pid);
    if (!status) return status.error();
    print(globals.json ? process_json(*status) : process_text(*status));
    return status->entries.empty() ? Exit::not_attached : Exit::ok;
}

} // namespace

Finish define_status(CLI::App &app) {
    struct Options {
        bool cgroups = false;
        std::optional<std::string> pid;
    };
    const auto options = std::make_shared<Options>();
    app.add_flag("--cgroups", options->cgroups,
                 "The policies of cgroups, in place of this network namespace's")
        ->disable_flag_override();
    app.add_option("--pid", options->pid, "The policies of cgroups that this process is under")
        ->type_name("PID");
    return [options]() -> Result<Run> {
        if (options->pid && options->cgroups) return bad_input("--cgroups and --pid: expected one of them");
        if (options->pid) {
            const auto pid = parse_decimal(*options->pid);
            if (!pid || *pid == 0 || *pid > INT_MAX)
                return bad_input("--pid: " + quote(*options->pid) +
                                 " is no process number: expected 1 or more");
            return Run([number = static_cast<int>(*pid)](const Globals &globals) {
                return show_process(globals, number);
            });
        }
        if (options->cgroups) return Run(show_cgroups);
        return Run([](const Globals &globals) -> Result<Exit> {
            const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, false);
            if (!site) return site.error();
            const Result<Status> status = read_status(*site);
            if (!status) return status.error();
            print(globals.json ? status_json(*status) : status_text(*status));
            if (!status->attached) return Exit::not_attached;
            return status->weaknesses.empty() ? Exit::ok : Exit::weakened;
        });
    };
}

} // namespace lk
