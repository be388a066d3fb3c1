// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include "board/report.h"

namespace lk::board {

namespace {

constexpr int row_height = 34, top = 62, label_width = 210, bar_width = 300, gap = 96;

// A bar of what is bad, on a track of what was tried, and the figures behind it.
std::string bar(int x, int y, const Tally &tally, const char *colour) {
    const double share = tally.of ? static_cast<double>(tally.bad) / tally.of : 0;
    // One case is seen, whatever it is one of.
    const int width = tally.bad ? std::max(3, static_cast<int>(share * bar_width + 0.5)) : 0;
    return fmt::format("<rect x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"16\" rx=\"2\" fill=\"#e5e7eb\"/>"
                       "<rect x=\"{0}\" y=\"{1}\" width=\"{3}\" height=\"16\" rx=\"2\" fill=\"{4}\"/>"
                       "<text x=\"{5}\" y=\"{6}\">{7} of {8}</text>\n",
                       x, y, bar_width, width, colour, x + bar_width + 8, y + 13, tally.bad, tally.of);
}

} // namespace

std::string picture(const Board &board, const Occasion &occasion) {
    const int leaked_x = label_width, broken_x = leaked_x + bar_width + gap;
    const int width = broken_x + bar_width + gap,
              height = top + row_height * static_cast<int>(board.peers.size()) + 30;
    std::string text = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "role=\"img\" aria-label=\"Leaked and broken cases by filter\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        "<g font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#111827\">\n"
        "<text x=\"{2}\" y=\"28\" font-weight=\"bold\">leaked (of {4} ways out)</text>\n"
        "<text x=\"{3}\" y=\"28\" font-weight=\"bold\">broken (of {5} things that must work)</text>\n",
        width, height, leaked_x, broken_x, board.leak_cases, board.pass_cases);
    for (std::size_t row = 0; row < board.peers.size(); row++) {
        const int y = top - 16 + row_height * static_cast<int>(row);
        text += fmt::format("<text x=\"12\" y=\"{}\"{}>{}</text>\n", y + 13,
                            board.peers[row].leakbpf ? " font-weight=\"bold\"" : "", board.peers[row].title);
        text += bar(leaked_x, y, board.scores[row].all_leaked, "#dc2626");
        text += bar(broken_x, y, board.scores[row].all_broken, "#d97706");
    }
    text += fmt::format("<text x=\"12\" y=\"{}\" font-size=\"11\" fill=\"#6b7280\">{} · Linux {} · {}"
                        "</text>\n</g>\n</svg>\n",
                        height - 12, occasion.command, occasion.kernel, occasion.date);
    return text;
}

} // namespace lk::board
