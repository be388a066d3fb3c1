// SPDX-License-Identifier: MIT
// One subcommand: a row of the command table. A file per subcommand defines its options and what it does.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/exit_status.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace lk {

// The options before the command.
struct Globals {
    std::optional<std::string> netns; // name or path; none: the caller's
    std::string cgroup_root;          // empty: the host's own cgroup2 root
    std::string bpffs = "/sys/fs/bpf";
    bool json = false;
};

// Does the work and prints the answer; an error is printed by the caller.
using Run = std::function<Result<Exit>(const Globals &)>;
// Turns the words that were parsed into values: every bad value is found here.
using Finish = std::function<Result<Run>()>;

struct Command {
    const char *name;
    const char *summary;
    Finish (*define)(CLI::App &app);
    std::optional<Exit> on_failure = {}; // of every failure of ours, where the exit status is somebody else's
};

Finish define_attach(CLI::App &app);
Finish define_apply(CLI::App &app);
Finish define_detach(CLI::App &app);
Finish define_run(CLI::App &app);
Finish define_oci_hook(CLI::App &app);
Finish define_keep(CLI::App &app);
Finish define_portal(CLI::App &app);
Finish define_follow(CLI::App &app);
Finish define_status(CLI::App &app);
Finish define_watch(CLI::App &app);
Finish define_check(CLI::App &app);
Finish define_doctor(CLI::App &app);
Finish define_resolve(CLI::App &app);

std::span<const Command> commands();

} // namespace lk
