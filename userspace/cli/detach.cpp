// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "cli/command.h"
#include "cli/output.h"
#include "control/control.h"
#include "render/cgroups.h"
#include "render/plan.h"

namespace lk {

namespace {

constexpr const char *all_word = "--all", *gone_word = "--gone"; // in place of a cgroup's name

Result<Exit> detach_every_cgroup(const Globals &globals) {
    if (Result<void> done = detach_all_cgroups(globals.bpffs); !done) return done.error();
    print(globals.json ? all_cgroups_detached_json() : all_cgroups_detached_text());
    return Exit::ok;
}

Result<Run> detach_from_cgroups(const std::vector<std::string> &names) {
    const auto has = [&](const char *word) { return std::ranges::find(names, word) != names.end(); };
    if (names.size() > 1 && (has(all_word) || has(gone_word)))
        return bad_input(fmt::format("detach --cgroup takes cgroups, {} or {}, and only one kind of them",
                                     all_word, gone_word));
    if (has(all_word)) return Run(detach_every_cgroup);
    return Run([names, gone = has(gone_word)](const Globals &globals) -> Result<Exit> {
        const Result<ScopePlace> place = find_scope_place(globals.bpffs, globals.cgroup_root);
        if (!place) return place.error();
        const auto paths = gone ? detach_gone_cgroups(*place) : detach_cgroups(*place, names);
        if (!paths) return paths.error();
        print(globals.json ? cgroups_detached_json(*paths) : cgroups_detached_text(*paths));
        return Exit::ok;
    });
}

} // namespace

Finish define_detach(CLI::App &app) {
    const auto request = std::make_shared<DetachRequest>();
    const auto cgroups = std::make_shared<std::vector<std::string>>();
    app.add_option("IFACE", request->interfaces, "Uplinks to set free; without one, all of them")
        ->type_name("");
    app.add_flag("--all", request->all, "Everything of this network namespace, however broken")
        ->disable_flag_override();
    app.add_option("--cgroup", *cgroups,
                   "Set this cgroup free, and nothing else; all of them; what removed ones left")
        ->type_name("PATH|UNIT|container:ID|--all|--gone")
        ->allow_extra_args(false);
    return [request, cgroups]() -> Result<Run> {
        if (!cgroups->empty()) {
            if (request->all || !request->interfaces.empty())
                return bad_input("detach takes cgroups, uplinks or --all, and only one kind of them");
            return detach_from_cgroups(*cgroups);
        }
        if (request->all && !request->interfaces.empty())
            return bad_input("detach takes uplinks or --all, not both");
        return Run([asked = *request](const Globals &globals) -> Result<Exit> {
            const Result<Site> site = asked.all ? find_broken_site(globals.bpffs)
                                                : find_site(globals.bpffs, globals.cgroup_root, false);
            if (!site) return site.error();
            if (Result<void> done = detach(*site, asked); !done) return done.error();
            print(globals.json ? detach_json(asked) : detach_text(asked));
            return Exit::ok;
        });
    };
}

} // namespace lk
