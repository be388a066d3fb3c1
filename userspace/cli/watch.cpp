// SPDX-License-Identifier: MIT
#include <net/if.h>
#include <sys/signalfd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/fd.h"
#include "cli/command.h"
#include "cli/output.h"
#include "control/cgroup_path.h"
#include "control/control.h"
#include "render/event.h"

namespace lk {

namespace {

std::chrono::nanoseconds since_epoch(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// What the kernel gives by number, for people.
EventNames resolve(const lk_event &event, CgroupPaths &paths) {
    EventNames names;
    // Asked anew each time: the clock may have been set meanwhile.
    names.time =
        std::chrono::nanoseconds(event.time_ns) + since_epoch(CLOCK_REALTIME) - since_epoch(CLOCK_MONOTONIC);
    char device[IF_NAMESIZE];
    if (event.ifindex && if_indextoname(event.ifindex, device)) names.device = device;
    if (event.flags & LK_EVENT_UID) names.user = user_name(event.uid);
    if (event.cgroup_id)
        if (auto path = paths.of(event.cgroup_id)) names.cgroup = *path;
    return names;
}

} // namespace

Finish define_watch(CLI::App &) {
    return []() -> Result<Run> {
        return Run([](const Globals &globals) -> Result<Exit> {
            const Result<Site> site = find_site(globals.bpffs, globals.cgroup_root, false);
            if (!site) return site.error();
            const Result<std::optional<State>> state = State::find(site->place);
            if (!state) return state.error();
            if (!*state)
                return Error{Exit::not_attached,
                             "nothing is attached in this network namespace: nothing to watch"};
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGINT);
            sigaddset(&set, SIGTERM);
            sigprocmask(SIG_BLOCK, &set, nullptr);
            const Fd stop(signalfd(-1, &set, SFD_CLOEXEC));
            if (!stop) return failure(std::string("signalfd: ") + std::strerror(errno));
            CgroupPaths paths(site->place.cgroup_root);
            const auto show = [&](const lk_event &event) {
                const EventNames names = resolve(event, paths);
                print(globals.json ? event_json(event, names) : event_text(event, names));
                return std::fflush(stdout) == 0;
            };
            if (Result<void> done = (*state)->watch(stop.get(), show); !done) return done.error();
            return Exit::ok;
        });
    };
}

} // namespace lk
