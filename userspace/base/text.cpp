// SPDX-License-Identifier: MIT
#include "base/text.h"

#include <fmt/format.h>

#include <charconv>

namespace lk {
namespace {

constexpr std::size_t max_quoted_bytes = 120;

// Length in bytes of the well-formed UTF-8 character at the start of TEXT, 0 if there is none (RFC 3629).
std::size_t utf8_character(std::string_view text) {
    auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
    if (text.empty()) return 0;
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!tail(1) || !tail(2)) return 0;
        if (first == 0xe0 && byte(1) < 0xa0) return 0;
        if (first == 0xed && byte(1) > 0x9f) return 0;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!tail(1) || !tail(2) || !tail(3)) return 0;
        if (first == 0xf0 && byte(1) < 0x90) return 0;
        if (first == 0xf4 && byte(1) > 0x8f) return 0;
        return 4;
    }
    return 0;
}

// C0, DEL and, as UTF-8, the C1 controls, which some terminals obey too.
bool is_control(std::string_view character) {
    const auto first = static_cast<unsigned char>(character[0]);
    if (character.size() == 1) return first < 0x20 || first == 0x7f;
    return character.size() == 2 && first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

} // namespace

std::string quote(std::string_view text) {
    std::string out = "\"";
    std::size_t at = 0;
    while (at < text.size() && at < max_quoted_bytes) {
        const std::size_t length = utf8_character(text.substr(at));
        const std::string_view character = text.substr(at, length ? length : 1);
        if (length == 0 || is_control(character)) {
            for (const char c : character)
                out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            out += character;
        }
        at += character.size();
    }
    if (at < text.size()) out += "...";
    return out + "\"";
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) {
    if (text.empty() || (text.size() > 1 && text[0] == '0')) return {};
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 10);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    if (!text.starts_with("0x") && !text.starts_with("0X")) return parse_decimal(text);
    text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
    constexpr std::uint64_t most_s = 365ull * 24 * 3600;
    const bool minutes = text.ends_with('m');
    if (minutes || text.ends_with('s')) text.remove_suffix(1);
    const auto number = parse_decimal(text);
    if (!number || *number > most_s / (minutes ? 60 : 1)) return {};
    return std::chrono::seconds{*number * (minutes ? 60 : 1)};
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_character(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string grouped(std::uint64_t number) {
    const std::string digits = std::to_string(number);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
        out += digits[i];
    }
    return out;
}

} // namespace lk
