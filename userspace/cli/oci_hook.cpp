// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "control/cgroups.h"
#include "control/oci.h"
#include "render/cgroups.h"

namespace lk {

namespace {

constexpr std::size_t most_bytes = 4 * 1024 * 1024; // of a state

Result<std::string> read_state() {
    std::string text;
    char buffer[16384];
    for (;;) {
        const auto got = ::read(STDIN_FILENO, buffer, sizeof(buffer));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failure("standard input cannot be read");
        if (got == 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > most_bytes)
            return bad_input(fmt::format("the container's state on standard input is longer than {} bytes",
                                         grouped(most_bytes)));
    }
}

} // namespace

Finish define_oci_hook(CLI::App &app) {
    const auto must = std::make_shared<bool>(false);
    app.add_flag("--require-policy", *must, "Fail a container that has no annotation org.leakbpf.*")
        ->disable_flag_override();
    return [must]() -> Result<Run> {
        return Run([must = *must](const Globals &globals) -> Result<Exit> {
            const Result<std::string> text = read_state();
            if (!text) return text.error();
            const Result<OciContainer> container = parse_oci_state(*text);
            if (!container) return container.error();
            if (!container->policy) {
                if (must)
                    return bad_input(fmt::format("container {} has no annotation org.leakbpf.*, and "
                                                 "--require-policy wants one",
                                                 quote(container->id)));
                return Exit::ok;
            }
            const Result<ScopePlace> place = find_scope_place(globals.bpffs, globals.cgroup_root);
            if (!place) return place.error();
            const Result<CgroupAnswer> answer = attach_container(*place, container->pid, *container->policy);
            if (!answer) return answer.error();
            print(globals.json ? cgroups_attached_json(*answer) : cgroups_attached_text(*answer));
            return Exit::ok;
        });
    };
}

} // namespace lk
