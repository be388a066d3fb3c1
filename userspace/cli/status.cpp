// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/output.h"
#include "control/control.h"
#include "render/status.h"

namespace lk {

Finish define_status(CLI::App &) {
    return []() -> Result<Run> {
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
