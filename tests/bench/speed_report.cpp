// SPDX-License-Identifier: MIT
#include "bench/speed_report.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lk::bench {

namespace {

constexpr double allowed_change = 1.15;
constexpr int title_width = 30;

std::string digits(double value) {
    if (std::isnan(value)) return "not measured";
    if (value == std::round(value)) return fmt::format("{:.0f}", value);
    const double size = value < 0 ? -value : value;
    return fmt::format("{:.{}f}", value, size < 10 ? 3 : size < 100 ? 1 : 0);
}

std::string text_of(const Estimate &estimate) {
    return estimate.error >= 0.0005 ? fmt::format("{} ±{}", digits(estimate.value), digits(estimate.error))
                                    : digits(estimate.value);
}

std::string cell_text(const Sheet &sheet, const std::string &row, const std::string &column) {
    const auto found = sheet.cells.find({row, column});
    return found == sheet.cells.end() ? "" : text_of(found->second);
}

std::string limit_text(const Goal &goal) {
    return fmt::format("{} {}", goal.at_least ? "at least" : "at most", digits(goal.limit));
}

const char *name_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::reached: return "reached";
    case Verdict::within_error: return "within the error";
    case Verdict::short_of: break;
    }
    return "falls short";
}

// What stands beside a goal: nothing where it is reached, MISSED where it is clearly not.
const char *mark_of(const Goal &goal, const char *missed) {
    switch (goal.verdict()) {
    case Verdict::reached: return "";
    case Verdict::within_error: return name_of(Verdict::within_error);
    case Verdict::short_of: break;
    }
    return missed;
}

constexpr const char *explanation =
    R"(All subjects take turns of some milliseconds in each round, in another order each time, each in a network namespace
and a control group of its own, with the sender on one CPU. A figure is the median over the rounds of the ratio to what
was measured without a filter in the same round; ± is the error of that median. "No filter, again" is a second unfiltered
subject: what it differs from 1 by is noise. Times below a table are for scale: they say more about the machine than the filter.
)";

std::string markdown_table(const Sheet &sheet) {
    std::string text = "| |", rule = "|---|";
    for (const std::string &column : sheet.columns)
        text += fmt::format(" {} |", column), rule += "---|";
    text += "\n" + rule + "\n";
    for (const std::string &row : sheet.rows) {
        text += fmt::format("| {} |", row);
        for (const std::string &column : sheet.columns)
            text += fmt::format(" {} |", cell_text(sheet, row, column));
        text += "\n";
    }
    return text;
}

} // namespace

void Sheet::put(const std::string &row, const std::string &column, Estimate estimate) {
    if (std::ranges::find(rows, row) == rows.end()) rows.push_back(row);
    if (std::ranges::find(columns, column) == columns.end()) columns.push_back(column);
    cells[{row, column}] = estimate;
}

Verdict Goal::verdict() const {
    const double missing = at_least ? limit - found.value : found.value - limit;
    if (missing <= 0) return Verdict::reached; // no comparison holds for what was not measured
    return missing < found.error ? Verdict::within_error : Verdict::short_of;
}

std::string rounded(const Estimate &estimate, bool added) {
    return added ? fmt::format("{:+.0f} ±{:.0f}", estimate.value, estimate.error)
                 : fmt::format("{:.0f} ±{:.0f}", estimate.value, estimate.error);
}

std::string counted(const std::vector<Goal> &goals) {
    std::map<Verdict, std::size_t> times;
    for (const Goal &goal : goals)
        ++times[goal.verdict()];
    return fmt::format("Of {} goals {} are reached and {} are not; {} cannot be told: the figure is short of "
                       "the goal, but by less than its own error.",
                       goals.size(), times[Verdict::reached], times[Verdict::short_of],
                       times[Verdict::within_error]);
}

std::vector<std::string> short_of(const std::vector<Goal> &goals) {
    std::vector<std::string> lines;
    for (const Goal &goal : goals)
        if (goal.verdict() == Verdict::short_of)
            lines.push_back(
                fmt::format("{}: {}, expected {}", goal.text, text_of(goal.found), limit_text(goal)));
    return lines;
}

std::string speed_table(const SpeedReport &report) {
    std::string text;
    for (const Sheet &sheet : report.sheets) {
        text += fmt::format("\n{}\n{:<{}}", sheet.title, "", title_width);
        for (const std::string &column : sheet.columns)
            text += fmt::format(" {:>20}", column);
        text += "\n";
        for (const std::string &row : sheet.rows) {
            text += fmt::format("{:<{}}", row, title_width);
            for (const std::string &column : sheet.columns)
                text += fmt::format(" {:>20}", cell_text(sheet, row, column));
            text += "\n";
        }
        for (const std::string &note : sheet.notes)
            text += note + "\n";
    }
    if (!report.goals.empty()) text += "\nleakbpf\n";
    for (const Goal &goal : report.goals)
        text += fmt::format("{:<56} {:>16}  {:<16} {}\n", goal.text, text_of(goal.found), limit_text(goal),
                            mark_of(goal, "FALLS SHORT"));
    if (!report.goals.empty()) text += counted(report.goals) + "\n";
    return text;
}

std::string speed_json(const SpeedReport &report, const board::Occasion &occasion) {
    nlohmann::ordered_json out{{"command", occasion.command},
                               {"version", occasion.version},
                               {"kernel", occasion.kernel},
                               {"cpu", occasion.cpu},
                               {"date", occasion.date}};
    for (const Sheet &sheet : report.sheets)
        for (const std::string &row : sheet.rows)
            for (const std::string &column : sheet.columns)
                if (const auto cell = sheet.cells.find({row, column}); cell != sheet.cells.end())
                    out["figures"].push_back({{"part", sheet.part},
                                              {"subject", row},
                                              {"figure", column},
                                              {"value", cell->second.value},
                                              {"error", cell->second.error}});
    for (const Goal &goal : report.goals)
        out["goals"].push_back({{"id", goal.id},
                                {"text", goal.text},
                                {"value", goal.found.value},
                                {"error", goal.found.error},
                                {goal.at_least ? "at_least" : "at_most", goal.limit},
                                {"reached", goal.verdict() == Verdict::reached},
                                {"verdict", name_of(goal.verdict())}});
    return out.dump(2) + "\n";
}

std::string speed_markdown(const SpeedReport &report, const board::Occasion &occasion) {
    std::string text = fmt::format(
        "## What it costs\n\nleakbpf {}, Linux {}, {}, {}. Made by\n\n    {}\n\n{}\n", occasion.version,
        occasion.kernel, occasion.cpu, occasion.date, occasion.command, explanation);
    text += "| leakbpf | found | wanted | |\n|---|---|---|---|\n";
    for (const Goal &goal : report.goals)
        text += fmt::format("| {} | {} | {} | {} |\n", goal.text, text_of(goal.found), limit_text(goal),
                            mark_of(goal, "**falls short**"));
    if (!report.goals.empty()) text += "\n" + counted(report.goals) + "\n";
    for (const Sheet &sheet : report.sheets) {
        text += fmt::format("\n### {}\n\n{}\n    sudo scripts/bench speed --only {}\n", sheet.title,
                            markdown_table(sheet), sheet.part);
        for (const std::string &note : sheet.notes)
            text += "\n" + note + "\n";
        for (const Plot &plot : report.plots)
            if (plot.name.find(sheet.part) != std::string::npos &&
                sheet.title.find(plot.sizes) != std::string::npos)
                text += fmt::format("\n![{}]({}.svg)\n", plot.title, plot.name);
    }
    return text;
}

Record read_record(const std::string &text) {
    Record record;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        std::string id, more;
        double value = 0;
        if (!(words >> id >> value) || words >> more || value < 0)
            throw std::runtime_error(fmt::format(
                "«{}»: expected the name of a figure and a number, such as «gateway.cpu 1.05»", line));
        record[id] = value;
    }
    return record;
}

std::string record_text(const Record &known, const SpeedReport &report) {
    Record record = known;
    for (const Goal &goal : report.goals)
        if (goal.found.measured()) record[goal.id] = goal.found.value;
    std::string text =
        "# Figures of leakbpf that `scripts/bench speed --record` measured, and that --gate holds on to.\n";
    for (const auto &[id, value] : record)
        text += fmt::format("{} {:.4f}\n", id, value);
    return text;
}

std::vector<std::string> worse_than(const Record &record, const SpeedReport &report) {
    std::vector<std::string> worse;
    for (const Goal &goal : report.goals) {
        const auto known = record.find(goal.id);
        if (known == record.end()) {
            worse.push_back(fmt::format("{}: nothing recorded; scripts/bench speed --record", goal.id));
            continue;
        }
        if (!goal.found.measured()) {
            worse.push_back(fmt::format("{}: {}: not measured", goal.id, goal.text));
            continue;
        }
        const double now = goal.found.value, then = known->second, noise = 2 * goal.found.error;
        if (goal.at_least ? (now + noise) * allowed_change < then : now - noise > then * allowed_change)
            worse.push_back(fmt::format("{}: {} ({:.3f}), recorded {:.3f}", goal.id, goal.text, now, then));
    }
    return worse;
}

} // namespace lk::bench
