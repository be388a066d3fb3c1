// SPDX-License-Identifier: MIT
#include "policy/endpoint_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace lk {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Where the reader most likely meant the port to begin, as the text with brackets.
std::string bracketed_form(std::string_view text, std::string_view suffix) {
    const auto colon = text.rfind(':');
    const auto head = text.substr(0, colon), tail = text.substr(colon + 1);
    if (Prefix::parse(head) && parse_decimal(tail)) return fmt::format("[{}]:{}{}", head, tail, suffix);
    return fmt::format("[{}]:PORT{}", text, suffix);
}

} // namespace

Result<HostPort> split_host_port(std::string_view text, std::string_view suffix) {
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == text.npos) return bad_input(fmt::format("{} has a [ without a ]", quote(text)));
        HostPort parts{text.substr(1, end - 1), {}, true};
        const auto rest = text.substr(end + 1);
        if (rest.starts_with(':'))
            parts.port = rest.substr(1);
        else if (rest.starts_with('/'))
            return bad_input(fmt::format("{} has a prefix length behind the bracket: write [{}{}]",
                                         quote(text), parts.host, rest));
        else if (!rest.empty())
            return bad_input(
                fmt::format("{} has {} behind the bracket: expected :PORT", quote(text), quote(rest)));
        if (const auto address = Prefix::parse(parts.host); address && address->address.is_v4())
            return bad_input(
                fmt::format("{} has IPv4 in brackets: write {}{}", quote(text), parts.host, rest));
        return parts;
    }
    const auto colons = std::count(text.begin(), text.end(), ':');
    if (colons >= 2) {
        const bool address = static_cast<bool>(Prefix::parse(text));
        if (address && (suffix.empty() || suffix == "/esp")) return HostPort{text, {}, false};
        const auto form = bracketed_form(text, suffix);
        if (address || !form.starts_with(fmt::format("[{}]", text)))
            return bad_input(
                fmt::format("{}{} is IPv6 with a port and no brackets: write {}", quote(text), suffix, form));
        return HostPort{text, {}, false}; // no address either way: its parser says why
    }
    const auto colon = text.find(':');
    if (colon == text.npos) return HostPort{text, {}, false};
    return HostPort{text.substr(0, colon), text.substr(colon + 1), false};
}

std::optional<Error> refuse_name(std::string_view host, std::string_view option) {
    const auto name = host.substr(0, host.find('/'));
    const bool like_a_name =
        !name.empty() && (is_letter(name[0]) || is_digit(name[0]) || name[0] == '_') &&
        std::all_of(name.begin(), name.end(),
                    [](char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-' || c == '_'; }) &&
        std::any_of(name.begin(), name.end(), is_letter);
    const bool hexadecimal = name.size() > 1 && name[0] == '0' && (name[1] == 'x' || name[1] == 'X');
    if (!like_a_name || hexadecimal) return {};
    return bad_input(
        fmt::format("{} takes addresses, and {} is a name: names are never resolved here, because "
                    "whoever answers would choose where traffic may go. "
                    "Resolve it first (getent ahosts {}) and give the addresses",
                    option, quote(name), name));
}

Result<std::uint16_t> parse_port(std::string_view port, std::string_view whole) {
    const auto number = parse_decimal(port);
    if (!number || *number == 0 || *number > 65535)
        return bad_input(fmt::format("{} has the port {}: expected 1 to 65535", quote(whole), quote(port)));
    return static_cast<std::uint16_t>(*number);
}

} // namespace lk
