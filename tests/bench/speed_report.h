// SPDX-License-Identifier: MIT
// What bench_speed found, for people, for machines and for the page in docs/.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/speed_turns.h"
#include "board/report.h"

namespace lk::bench {

// One table. A row is a subject, by its title.
struct Sheet {
    std::string part, title;
    std::vector<std::string> columns = {}, rows = {};
    std::map<std::pair<std::string, std::string>, Estimate> cells = {}; // by row and column
    std::vector<std::string> notes = {};

    void put(const std::string &row, const std::string &column, Estimate estimate);
};

enum class Verdict { short_of, within_error, reached };

// What leakbpf is to reach; also what --gate compares.
struct Goal {
    std::string id, text;
    Estimate found;
    double limit = 0;
    bool at_least = false; // else at most
    // within_error: short of it by less than the figure's own error, so that this run cannot tell.
    Verdict verdict() const;
};

struct Line {
    std::string title;
    std::vector<std::pair<double, double>> points; // size, cost
};

struct Plot {
    std::string name, title, sizes; // name: of the file, without .svg
    std::vector<Line> lines = {};
};

struct SpeedReport {
    std::vector<Sheet> sheets;
    std::vector<Goal> goals;
    std::vector<Plot> plots;
};

// "5 ±2", "+5 ±2" where it is something ADDED.
std::string rounded(const Estimate &estimate, bool added = false);
// How often each verdict was given, as a sentence.
std::string counted(const std::vector<Goal> &goals);
// Goals that are not reached, nor within the error, a line each.
std::vector<std::string> short_of(const std::vector<Goal> &goals);

std::string speed_table(const SpeedReport &report);
std::string speed_json(const SpeedReport &report, const board::Occasion &occasion);
std::string speed_markdown(const SpeedReport &report, const board::Occasion &occasion);
std::string speed_picture(const Plot &plot, const board::Occasion &occasion); // SVG

// A line "ID VALUE" for each goal; those of KNOWN that this run did not measure stay.
using Record = std::map<std::string, double>;
Record read_record(const std::string &text); // throws where a line is none
std::string record_text(const Record &known, const SpeedReport &report);
// What is worse than recorded by more than 15 % and twice its error, a line each. Empty: nothing.
std::vector<std::string> worse_than(const Record &record, const SpeedReport &report);

} // namespace lk::bench
