// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/output.h"
#include "control/control.h"
#include "render/plan.h"

namespace lk {

Finish define_detach(CLI::App &app) {
    const auto request = std::make_shared<DetachRequest>();
    app.add_option("IFACE", request->interfaces, "Uplinks to set free; without one, all of them")
        ->type_name("");
    app.add_flag("--all", request->all, "Everything of this network namespace, however broken")
        ->disable_flag_override();
    return [request]() -> Result<Run> {
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
