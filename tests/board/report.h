// SPDX-License-Identifier: MIT
// The scoreboard for people and for machines.
#pragma once

#include <string>

#include "board/score.h"

namespace lk::board {

// What was measured where, and how to do it again.
struct Occasion {
    std::string kernel, cpu, date, version, command;
    static Occasion now(const std::string &command);
};

std::string table(const Board &board); // for a terminal
std::string json(const Board &board, const Occasion &occasion);
std::string markdown(const Board &board, const Occasion &occasion); // a section of docs/scoreboard.md
std::string picture(const Board &board, const Occasion &occasion);  // SVG

// Replaces the section NAME of the page at PATH, which stands between two comments; makes page and section
// where they are not there. Other sections stay.
void write_section(const std::string &path, const std::string &name, const std::string &text);

} // namespace lk::board
