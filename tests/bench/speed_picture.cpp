// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "bench/speed_report.h"

namespace lk::bench {

namespace {

constexpr int width = 720, height = 400, left = 70, right = 170, top = 50, bottom = 60;
constexpr const char *colours[] = {"#dc2626", "#d97706", "#2563eb", "#059669", "#7c3aed", "#6b7280"};

// Both ways by powers of ten.
struct Scale {
    double least, most;
    int from, to;
    double at(double value) const {
        const double share = (std::log10(value) - least) / std::max(most - least, 1e-9);
        return from + share * (to - from);
    }
};

struct Scales {
    Scale x, y;
};

Scales scales_of(const Plot &plot) {
    double x_most = 1, y_least = 1e9, y_most = 0;
    for (const Line &line : plot.lines)
        for (const auto &[size, cost] : line.points) {
            x_most = std::max(x_most, std::log10(size));
            y_least = std::min(y_least, std::floor(std::log10(cost)));
            y_most = std::max(y_most, std::ceil(std::log10(cost)));
        }
    return {{0, x_most, left, width - right}, {y_least, y_most, height - bottom, top}};
}

std::string grid(const Scales &scales) {
    std::string text;
    for (double power = scales.x.least; power <= scales.x.most; ++power)
        text += fmt::format("<text x=\"{:.0f}\" y=\"{}\" text-anchor=\"middle\">{:.0f}</text>\n",
                            scales.x.at(std::pow(10, power)), height - bottom + 20, std::pow(10, power));
    for (double power = scales.y.least; power <= scales.y.most; ++power) {
        const double y = scales.y.at(std::pow(10, power));
        text += fmt::format("<line x1=\"{0}\" y1=\"{1:.0f}\" x2=\"{2}\" y2=\"{1:.0f}\" stroke=\"#e5e7eb\"/>"
                            "<text x=\"{3}\" y=\"{4:.0f}\" text-anchor=\"end\">{5:g}</text>\n",
                            left, y, width - right, left - 8, y + 4, std::pow(10, power));
    }
    return text;
}

std::string drawn(const Line &line, const Scales &scales, const char *colour) {
    std::string points, dots;
    for (const auto &[size, cost] : line.points) {
        const double x = scales.x.at(size), y = scales.y.at(cost);
        points += fmt::format("{:.1f},{:.1f} ", x, y);
        dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>", x, y, colour);
    }
    const auto &[size, cost] = line.points.back();
    return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>{}\n"
                       "<text x=\"{:.0f}\" y=\"{:.0f}\" fill=\"{}\">{}</text>\n",
                       points, colour, dots, scales.x.at(size) + 8, scales.y.at(cost) + 4, colour,
                       line.title);
}

} // namespace

std::string speed_picture(const Plot &plot, const board::Occasion &occasion) {
    Plot shown = plot; // what adds nothing that can be told from noise has no logarithm
    for (Line &line : shown.lines)
        std::erase_if(line.points, [](const auto &point) { return point.second <= 0; });
    std::erase_if(shown.lines, [](const Line &line) { return line.points.empty(); });
    const Scales scales = scales_of(shown);
    std::string text = fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "role=\"img\" aria-label=\"{2}\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
        "<g font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#111827\">\n"
        "<text x=\"{3}\" y=\"28\" font-weight=\"bold\">{2}</text>\n"
        "<text x=\"{4}\" y=\"{5}\" text-anchor=\"middle\">{6}</text>\n",
        width, height, shown.title, left, (left + width - right) / 2, height - bottom + 38, shown.sizes);
    text += shown.lines.empty() ? "" : grid(scales);
    std::size_t number = 0;
    for (const Line &line : shown.lines)
        text += drawn(line, scales, colours[number++ % std::size(colours)]);
    return text + fmt::format("<text x=\"12\" y=\"{}\" font-size=\"11\" fill=\"#6b7280\">{} · Linux {} · {}"
                              "</text>\n</g>\n</svg>\n",
                              height - 8, occasion.command, occasion.kernel, occasion.date);
}

} // namespace lk::bench
