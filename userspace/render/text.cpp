// SPDX-License-Identifier: MIT
#include "render/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace lk {

std::string plain(std::string_view name) {
    const std::string in_quotes = quote(name);
    return in_quotes.substr(1, in_quotes.size() - 2);
}

std::string utc_text(std::int64_t unix_s) {
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(unix_s));
}

std::string columns(const std::vector<std::vector<std::string>> &rows, std::size_t indent,
                    const std::vector<std::size_t> &right) {
    std::vector<std::size_t> widths;
    for (const auto &row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t column = 0; column < row.size(); ++column)
            widths[column] = std::max(widths[column], row[column].size());
    }
    std::string text;
    for (const auto &row : rows) {
        std::string line(indent, ' ');
        for (std::size_t column = 0; column < row.size(); ++column) {
            const bool to_right = std::ranges::find(right, column) != right.end();
            if (column > 0) line += "  ";
            line += to_right ? fmt::format("{:>{}}", row[column], widths[column])
                             : fmt::format("{:<{}}", row[column], widths[column]);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

std::string abridged(const std::vector<std::string> &words, std::size_t most) {
    std::string text;
    const std::size_t shown = std::min(words.size(), most);
    for (std::size_t index = 0; index < shown; ++index)
        text += (index ? ", " : "") + words[index];
    if (shown < words.size()) text += fmt::format(" and {} more", grouped(words.size() - shown));
    return text;
}

std::string all_plain(const std::vector<std::string> &names) {
    std::vector<std::string> words;
    words.reserve(names.size());
    for (const std::string &name : names)
        words.push_back(plain(name));
    return abridged(words, words.size());
}

std::string sentences(const char *head, const std::vector<std::string> &lines) {
    std::string text;
    for (const std::string &line : lines)
        text += fmt::format("{}: {}\n", head, line);
    return text;
}

} // namespace lk
