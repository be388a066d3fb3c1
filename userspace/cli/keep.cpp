// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/output.h"
#include "control/control.h"
#include "render/trial.h"

namespace lk {

Finish define_keep(CLI::App &) {
    return []() -> Result<Run> {
        return Run([](const Globals &globals) -> Result<Exit> {
            const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, false);
            if (!site) return site.error();
            const Result<Kept> kept = keep(*site);
            if (!kept) return kept.error();
            print(globals.json ? keep_json(*kept) : keep_text(*kept));
            return Exit::ok;
        });
    };
}

} // namespace lk
