// SPDX-License-Identifier: MIT
#include "net/mountinfo.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace lk {

namespace {

// Cuts the text before SEPARATOR off REST.
std::string_view cut(std::string_view &rest, char separator) {
    const auto end = std::min(rest.find(separator), rest.size());
    const auto piece = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return piece;
}

bool octal(char digit) {
    return digit >= '0' && digit <= '7';
}

// Space, tab, newline and backslash are written as \040, \011, \012 and \134.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escaped = text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) &&
                             octal(text[i + 2]) && octal(text[i + 3]);
        if (escaped) {
            plain +=
                static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

bool read_number(std::string_view text, unsigned &number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
}

std::optional<Mount> parse_line(std::string_view line) {
    Mount mount;
    cut(line, ' '); // id
    cut(line, ' '); // parent
    auto device = cut(line, ' ');
    const auto major = cut(device, ':');
    if (!read_number(major, mount.major) || !read_number(device, mount.minor)) return {};
    mount.root = unescape(cut(line, ' '));
    mount.point = unescape(cut(line, ' '));
    cut(line, ' '); // options
    while (!line.empty())
        if (cut(line, ' ') == "-") break; // any number of optional fields
    mount.type = std::string(cut(line, ' '));
    if (mount.point.empty() || mount.type.empty()) return {};
    return mount;
}

} // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
    std::vector<Mount> mounts;
    while (!text.empty())
        if (auto mount = parse_line(cut(text, '\n'))) mounts.push_back(std::move(*mount));
    return mounts;
}

} // namespace lk
