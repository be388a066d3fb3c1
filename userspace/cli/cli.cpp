// SPDX-License-Identifier: MIT
#include "cli/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>

#include "base/text.h"
#include "net/netns.h"

namespace lk {

namespace {

constexpr std::array command_table{
    Command{"attach", "Guard uplinks by a policy, or replace the policy", define_attach},
    Command{"apply", "Put a configuration into force, in place of all that is", define_apply},
    Command{"detach", "Take the filter off again", define_detach},
    Command{"run", "Run a command under a policy of its own", define_run, Exit::not_run},
    Command{"oci-hook", "Guard a container before it begins, as its runtime's hook", define_oci_hook},
    Command{"keep", "Confirm the policy that attach --try put on trial", define_keep},
    Command{"portal", "Open HTTP(S) and DNS to the LAN's router for a while", define_portal},
    Command{"follow", "Keep addresses and devices current (attach starts it)", define_follow},
    Command{"status", "What is guarded, and what was refused (also without a command)", define_status},
    Command{"watch", "Refused and rewritten packets as they happen", define_watch},
    Command{"check", "Validate attach's options, or a configuration, and print what would be loaded",
            define_check},
    Command{"doctor", "What this kernel gives and lacks, and which guarantees hold here", define_doctor},
    Command{"resolve", "Ask one DNS server for a name, as the VPN daemon would", define_resolve},
};

void add_globals(CLI::App &app, Globals &globals) {
    app.add_option("--netns", globals.netns, "Work in this network namespace")->type_name("NAME|PATH");
    app.add_option("--cgroup-root", globals.cgroup_root,
                   "cgroup2 directory of the socket hooks (default: the host's cgroup2 root)")
        ->type_name("PATH");
    app.add_option("--bpffs", globals.bpffs, "bpffs that holds the filter")
        ->type_name("PATH")
        ->capture_default_str();
    app.add_flag("--json", globals.json, "Answers for machines")->disable_flag_override();
    app.set_version_flag("--version", std::string("leakbpf ") + LEAKBPF_VERSION);
}

// CLI11 names the option that is wrong, but words that nobody asked for only in a list.
Error in_our_words(const CLI::App &app, const CLI::ParseError &error) {
    const auto chosen = app.get_subcommands();
    const std::string command = chosen.empty() ? "leakbpf" : "leakbpf " + chosen.front()->get_name();
    const std::string help = fmt::format("; see {} --help", command);
    const std::vector<std::string> extras = app.remaining(true);
    if (dynamic_cast<const CLI::ExtrasError *>(&error) && !extras.empty()) {
        const bool option = extras.front().starts_with("-");
        if (chosen.empty() && !option)
            return bad_input(fmt::format("{} is no command{}", quote(extras.front()), help));
        return bad_input(fmt::format("{} is no {} of {}{}", quote(extras.front()),
                                     option ? "option" : "argument", command, help));
    }
    return bad_input(std::string(error.what()) + help);
}

Error failed(const std::string &command, Error error) {
    for (const Command &each : command_table)
        if (command == each.name && each.on_failure) error.exit = *each.on_failure;
    return error;
}

} // namespace

std::span<const Command> commands() {
    return command_table;
}

Result<Invocation> parse_command_line(const std::vector<std::string> &arguments) {
    Invocation invocation;
    CLI::App app("An egress filter: out goes what the policy names, and nothing else.", "leakbpf");
    app.require_subcommand(0, 1);
    add_globals(app, invocation.globals);
    std::vector<Finish> finishes;
    std::vector<CLI::App *> subcommands;
    for (const Command &command : commands()) {
        subcommands.push_back(app.add_subcommand(command.name, command.summary));
        finishes.push_back(command.define(*subcommands.back()));
    }
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend()); // CLI11 takes from the back
        app.parse(reversed);
    } catch (const CLI::CallForHelp &) {
        invocation.text = app.help();
        return invocation;
    } catch (const CLI::CallForVersion &version) {
        invocation.text = std::string(version.what()) + "\n";
        return invocation;
    } catch (const CLI::ParseError &error) {
        const auto chosen = app.get_subcommands();
        return failed(chosen.empty() ? "" : chosen.front()->get_name(), in_our_words(app, error));
    }
    invocation.command = "status";
    for (const CLI::App *chosen : app.get_subcommands())
        invocation.command = chosen->get_name();
    for (std::size_t index = 0; index < subcommands.size(); ++index) {
        if (subcommands[index]->get_name() != invocation.command) continue;
        Result<Run> run = finishes[index]();
        if (!run) return failed(invocation.command, run.error());
        invocation.run = *std::move(run);
    }
    return invocation;
}

Exit run_command_line(const std::vector<std::string> &arguments) {
    const auto tell = [](const Error &error) {
        fmt::print(stderr, "leakbpf: {}\n", error.message);
        return error.exit;
    };
    const Result<Invocation> invocation = parse_command_line(arguments);
    if (!invocation) return tell(invocation.error());
    if (!invocation->run) {
        fmt::print("{}", invocation->text);
        return Exit::ok;
    }
    if (invocation->globals.netns) {
        if (Result<void> entered = enter_netns(*invocation->globals.netns); !entered)
            return tell(failed(invocation->command, entered.error()));
    }
    Result<Exit> exit = invocation->run(invocation->globals);
    if (!exit) return tell(failed(invocation->command, exit.error()));
    if (std::fflush(stdout) != 0) return tell(failure("the answer could not be written to stdout"));
    return *exit;
}

} // namespace lk
