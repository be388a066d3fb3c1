// SPDX-License-Identifier: MIT
// bench_leaks: fires every case of the leak matrix at every peer, and prints what leaked and what broke. Exit
// status 1: leakbpf leaked or blocked, or a case was not proven without a filter.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <regex>
#include <stdexcept>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "board/elsewhere.h"
#include "board/report.h"

namespace lk::board {
namespace {

struct Options {
    std::string only, json_file, write_directory, command;
    std::vector<std::string> peers, elsewhere;
    unsigned jobs = 0;
    bool short_form = false, list = false, cases = false;
};

std::string names(const std::vector<Peer> &peers) {
    std::vector<std::string> all;
    for (const Peer &peer : peers)
        all.push_back(peer.name);
    return fmt::format("{}", fmt::join(all, ", "));
}

// No filter always, since nothing counts without.
std::vector<Peer> chosen(const Options &options) {
    std::vector<Peer> peers = all_peers(), kept;
    for (const std::string &name : options.peers)
        if (std::ranges::none_of(peers, [&](const Peer &peer) { return peer.name == name; }))
            throw std::runtime_error(
                fmt::format("--peer «{}»: no such peer; expected one of {}", name, names(peers)));
    for (Peer &peer : peers) {
        const bool named = std::ranges::count(options.peers, peer.name) > 0;
        const bool wanted = options.short_form ? peer.leakbpf.has_value() : options.peers.empty();
        if (peer.name != "none" && !named && !wanted) continue;
        for (const std::string &tool : peer.tools)
            if (!in_path(tool))
                throw std::runtime_error(
                    fmt::format("{} needs {}, which is not installed: scripts/setup", peer.title, tool));
        kept.push_back(std::move(peer));
    }
    return kept;
}

std::string read_text(const std::string &regex) {
    try {
        std::regex checked(regex);
    } catch (const std::regex_error &) {
        throw std::runtime_error(
            fmt::format("--only «{}»: expected a regular expression (ECMAScript)", regex));
    }
    return regex;
}

// "-": to stdout.
void save(const std::string &path, const std::string &text) {
    if (path == "-") return fmt::print("{}", text);
    std::ofstream file(path);
    file << text << std::flush;
    if (!file) throw std::runtime_error("cannot write " + path);
}

int list(const Cases &cases) {
    for (std::size_t index = 0; index < cases.size(); index++) {
        auto text = [&](harness::Setting setting) {
            return cases.expected(index, setting) == harness::Expect::stays ? "stays" : "leaves";
        };
        fmt::print("{:<80} {:<7} {}\n", cases.name(index), text(harness::Setting::standard),
                   text(harness::Setting::strict));
    }
    return 0;
}

int run(const Options &options, const std::string &command) {
    if (!options.elsewhere.empty()) {
        const std::string text = elsewhere(options.elsewhere, options.command);
        fmt::print("{}", text);
        if (!options.write_directory.empty())
            write_section(options.write_directory + "/scoreboard.md", "leaks elsewhere", text);
        return 0;
    }
    const Cases cases(read_text(options.only));
    if (cases.size() == 0)
        throw std::runtime_error(fmt::format("--only «{}»: no case has that in its name", options.only));
    if (options.list) return list(cases);
    const std::vector<Peer> peers = chosen(options);
    const unsigned jobs = options.jobs ? options.jobs : 3 * std::max(1u, std::thread::hardware_concurrency());
    auto outcomes = fire_all(cases, peers, jobs);
    if (const auto which = doubtful(cases, peers, outcomes); !which.empty()) {
        for (const std::size_t index : which)
            fmt::print(stderr, "once more: {}\n", cases.name(index));
        fire_again(cases, which, peers, jobs, outcomes);
    }
    const Board board = judge(cases, peers, outcomes);
    const Occasion occasion = Occasion::now(command);
    fmt::print("{}", table(board));
    if (options.cases)
        for (std::size_t row = 1; row < board.peers.size(); row++)
            for (const std::string &line : board.scores[row].bad)
                fmt::print("{}: {}\n", board.peers[row].name, line);
    if (!options.json_file.empty()) save(options.json_file, json(board, occasion));
    if (!options.write_directory.empty()) {
        write_section(options.write_directory + "/scoreboard.md", "leaks", markdown(board, occasion));
        save(options.write_directory + "/scoreboard.svg", picture(board, occasion));
    }
    const std::vector<std::string> failures = board.failures();
    for (const std::string &line : failures)
        fmt::print(stderr, "{}\n", line);
    return failures.empty() ? 0 : 1;
}

int main_of(int argc, char **argv) {
    Options options;
    CLI::App app("What leaks and what breaks, by filter", "bench_leaks");
    app.add_flag("--short", options.short_form, "leakbpf, plain and strict, and no filter");
    app.add_option("--peer", options.peers, "only this one, and no filter; repeat for more");
    app.add_option("--only", options.only, "cases that have this regular expression in GROUP.CASE");
    app.add_option("--json", options.json_file, "write everything there, «-»: to stdout");
    app.add_option("--write", options.write_directory, "write scoreboard.md and scoreboard.svg there")
        ->check(CLI::ExistingDirectory);
    app.add_option("--jobs", options.jobs, "worlds at a time (3 for each CPU)")->check(CLI::Range(1, 64));
    app.add_option("--elsewhere", options.elsewhere, "print what these runs with --json found, and no more");
    app.add_option("--command", options.command, "how --elsewhere is made again")->needs("--elsewhere");
    app.add_flag("--cases", options.cases, "name each case that leaked or broke");
    app.add_flag("--list", options.list, "name the cases, with what is expected plain and strict");
    CLI11_PARSE(app, argc, argv);
    std::string command = "sudo scripts/bench leaks";
    for (int index = 1; index < argc; index++)
        command += std::string(" ") + argv[index];
    try {
        return run(options, command);
    } catch (const std::exception &error) {
        fmt::print(stderr, "bench_leaks: {}\n", error.what());
        return 2;
    }
}

} // namespace
} // namespace lk::board

int main(int argc, char **argv) {
    return lk::board::main_of(argc, argv);
}
