// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/text.h"
#include "cli/command.h"
#include "cli/output.h"
#include "config/config.h"
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

struct Options {
    std::optional<std::string> config; // without it the default one, which need not be there
    bool required = false;
};

// What the configuration says comes first: whoever may set annotations must not choose around it.
Result<std::optional<Policy>> policy_for(const OciContainer &container, const Options &options) {
    std::error_code error;
    if (!options.config && !std::filesystem::exists(default_config, error) && !error) return container.policy;
    const auto rules = read_container_rules(options.config.value_or(default_config));
    if (!rules) return rules.error();
    for (const ContainerRule &rule : *rules) {
        if (!rule.matches(container.id, container.annotations)) continue;
        if (container.policy)
            fmt::print(stderr,
                       "leakbpf: notice: container {}: the configuration decides, and not its annotations\n",
                       quote(container.id));
        return std::optional{rule.policy};
    }
    return container.policy;
}

} // namespace

Finish define_oci_hook(CLI::App &app) {
    const auto options = std::make_shared<Options>();
    app.add_option("--config", options->config,
                   std::string("Whose [[container]] come before annotations (default: ") + default_config +
                       ", if it is there)")
        ->type_name("FILE");
    app.add_flag("--require-policy", options->required, "Fail a container for which there is no policy")
        ->disable_flag_override();
    return [options]() -> Result<Run> {
        return Run([options](const Globals &globals) -> Result<Exit> {
            const Result<std::string> text = read_state();
            if (!text) return text.error();
            const Result<OciContainer> container = parse_oci_state(*text);
            if (!container) return container.error();
            const Result<std::optional<Policy>> policy = policy_for(*container, *options);
            if (!policy) return policy.error();
            if (!*policy) {
                if (options->required)
                    return bad_input(fmt::format(
                        "container {} has no annotation org.leakbpf.*, and no [[container]] of the "
                        "configuration matches it: --require-policy wants one",
                        quote(container->id)));
                return Exit::ok;
            }
            const Result<ScopePlace> place = find_scope_place(globals.bpffs, globals.cgroup_root);
            if (!place) return place.error();
            const Result<CgroupAnswer> answer = attach_container(*place, container->pid, **policy);
            if (!answer) return answer.error();
            print(globals.json ? cgroups_attached_json(*answer) : cgroups_attached_text(*answer));
            return Exit::ok;
        });
    };
}

} // namespace lk
