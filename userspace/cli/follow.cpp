// SPDX-License-Identifier: MIT
#include <sys/prctl.h>
#include <syslog.h>

#include <CLI/CLI.hpp>

#include "cli/command.h"
#include "cli/output.h"
#include "control/control.h"
#include "control/follower_process.h"
#include "control/scopes.h"

namespace lk {

Finish define_follow(CLI::App &) {
    return []() -> Result<Run> {
        return Run([](const Globals &globals) -> Result<Exit> {
            const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, false);
            if (!site) return site.error();
            prctl(PR_SET_NAME, "leakbpf"); // attach starts it by /proc/self/exe
            openlog("leakbpf", LOG_PID | LOG_PERROR, LOG_DAEMON);
            FollowTold told;
            told.following = [](const Topology &topology, const Built &built) {
                print(following_line + listed(device_names(topology, built.uplinks)));
                std::fflush(stdout);
            };
            told.trouble = [](const std::string &message) { syslog(LOG_WARNING, "%s", message.c_str()); };
            if (Result<void> done = follow(*site, told); !done) return done.error();
            return Exit::ok;
        });
    };
}

} // namespace lk
