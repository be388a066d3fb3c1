// SPDX-License-Identifier: MIT
// bench_speed: what leakbpf costs, in turns of one run with no filter, an empty program and other filters.
// Exit status 1: worse than recorded (--gate), 77 without root.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "bench/speed_parts.h"
#include "harness/kernel.h"
#include "harness/sandbox.h"

namespace lk::bench {
namespace {

struct Part {
    const char *name;
    void (*measure)(const Plan &plan, SpeedReport &report);
    bool brief; // also with --short
};

constexpr Part parts[] = {{"packets", measure_packets, true}, {"flows", measure_flows, true},
                          {"dns", measure_dns, false},        {"sizes", measure_sizes, false},
                          {"load", measure_load, true},       {"replace", measure_replace, true},
                          {"profile", measure_profile, false}};

struct Options {
    Plan plan;
    std::vector<std::string> only;
    std::string json_file, write_directory, record_file;
    bool gate = false, record = false;
};

std::string part_names() {
    std::string names;
    for (const Part &part : parts)
        names += (names.empty() ? "" : ", ") + std::string(part.name);
    return names;
}

bool wanted(const Options &options, const Part &part) {
    if (options.only.empty()) return part.brief || !options.plan.brief;
    return std::ranges::count(options.only, part.name) > 0;
}

std::string read_file(const std::string &path, bool must_be) {
    std::ifstream file(path);
    if (!file && must_be) throw std::runtime_error(fmt::format("cannot read {}", path));
    return file ? std::string(std::istreambuf_iterator<char>(file), {}) : "";
}

void save(const std::string &path, const std::string &text) {
    std::ofstream file(path);
    file << text << std::flush;
    if (!file) throw std::runtime_error("cannot write " + path);
}

void write_page(const std::string &directory, const SpeedReport &report, const board::Occasion &occasion) {
    board::write_section(directory + "/scoreboard.md", "speed", speed_markdown(report, occasion));
    for (const Plot &plot : report.plots)
        save(fmt::format("{}/{}.svg", directory, plot.name), speed_picture(plot, occasion));
}

int gate(const Options &options, const SpeedReport &report) {
    const auto worse = worse_than(read_record(read_file(options.record_file, true)), report);
    for (const std::string &line : worse)
        fmt::print(stderr, "worse than recorded by more than 15 %: {}\n", line);
    return worse.empty() ? 0 : 1;
}

int run(const Options &options, const board::Occasion &occasion) {
    if (!harness::kernel_has_tcx()) {
        fmt::print("SKIPPED bench_speed: the empty program needs tcx (Linux 6.6)\n");
        return harness::Sandbox::skipped;
    }
    SpeedReport report;
    for (const Part &part : parts)
        if (wanted(options, part)) part.measure(options.plan, report);
    fmt::print("{}", speed_table(report));
    if (!options.json_file.empty()) save(options.json_file, speed_json(report, occasion));
    if (!options.write_directory.empty()) write_page(options.write_directory, report, occasion);
    if (options.record)
        save(options.record_file, record_text(read_record(read_file(options.record_file, false)), report));
    return options.gate ? gate(options, report) : 0;
}

void check(const Options &options) {
    for (const std::string &name : options.only)
        if (std::ranges::none_of(parts, [&](const Part &part) { return part.name == name; }))
            throw std::runtime_error(
                fmt::format("--only «{}»: no such part; expected one of {}", name, part_names()));
    if (!options.only.empty() && !options.write_directory.empty())
        throw std::runtime_error("--write writes all parts: expected it without --only");
}

int main_of(int argc, char **argv) {
    Options options;
    options.record_file = LK_SPEED_RECORD;
    CLI::App app("What filters cost", "bench_speed");
    app.add_flag("--short", options.plan.brief, "few subjects and rounds: does it work?");
    auto *rounds = app.add_option("--rounds", options.plan.rounds, "turns of each subject")
                       ->check(CLI::Range(2, 10'000));
    app.add_option("--slice", options.plan.limits.slice_ms, "of a turn, in ms")
        ->check(CLI::Range(1.0, 1000.0));
    app.add_option("--only", options.only, "only this part; repeat for more");
    app.add_option("--json", options.json_file, "write everything there");
    app.add_option("--write", options.write_directory, "write scoreboard.md and its plots there")
        ->check(CLI::ExistingDirectory);
    app.add_flag("--gate", options.gate, "fail where a ratio is worse than recorded by more than 15 %");
    app.add_flag("--record", options.record, "make what was measured the record");
    app.add_option("--record-file", options.record_file, "instead of tests/bench/speed.txt");
    CLI11_PARSE(app, argc, argv);
    if (options.plan.brief && rounds->count() == 0) options.plan.rounds = 40;
    std::string command = "sudo scripts/bench speed";
    for (int index = 1; index < argc; index++)
        command += std::string(" ") + argv[index];
    return harness::Sandbox::run_program("bench_speed", [&] {
        check(options);
        return run(options, board::Occasion::now(command));
    });
}

} // namespace
} // namespace lk::bench

int main(int argc, char **argv) {
    return lk::bench::main_of(argc, argv);
}
