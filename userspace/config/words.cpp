// SPDX-License-Identifier: MIT
#include "config/words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/text.h"

namespace lk {

namespace {

// How many bytes differ, are missing or are too many (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, replaced}));
        }
    }
    return row.back();
}

bool of_an_option(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool is_of(const Setting &setting, Section section) {
    return section == Section::scope ? setting.for_uplinks : setting.for_cgroups;
}

std::string key_of_option(std::string_view option) {
    for (const Setting &setting : settings())
        if (option == setting.option) return setting.key;
    return "--" + std::string(option); // of another command
}

} // namespace

const Setting *setting_of_key(std::string_view key, Section section) {
    const auto found = std::ranges::find_if(
        settings(), [&](const Setting &each) { return is_of(each, section) && key == each.key; });
    return found == settings().end() ? nullptr : &*found;
}

std::string hint_for(std::string_view key, Section section) {
    std::string wanted(key);
    std::ranges::replace(wanted, '_', '-');
    std::vector<std::string_view> keys{"interfaces", "only"};
    if (section == Section::container) keys = {"id", "annotations"};
    for (const Setting &setting : settings()) {
        if (!is_of(setting, section)) continue;
        if (wanted == setting.option) return fmt::format("did you mean {}?", setting.key);
        keys.emplace_back(setting.key);
    }
    const auto nearest = std::ranges::min(
        keys, {}, [&](std::string_view each) { return distance(wanted.substr(0, 40), each); });
    if (distance(wanted.substr(0, 40), nearest) <= 2) return fmt::format("did you mean {}?", nearest);
    return fmt::format("expected one of {}", fmt::join(keys, ", "));
}

std::string in_keys(std::string_view text) {
    std::string out;
    bool quoted = false;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '"') quoted = !quoted;
        const bool option =
            !quoted && text.substr(at).starts_with("--") && (at == 0 || !of_an_option(text[at - 1]));
        if (!option) {
            out += text[at++];
            continue;
        }
        std::size_t end = at + 2;
        while (end < text.size() && of_an_option(text[end]))
            ++end;
        out += key_of_option(text.substr(at + 2, end - at - 2));
        at = end;
    }
    return out;
}

} // namespace lk
