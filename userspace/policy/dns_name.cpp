// SPDX-License-Identifier: MIT
#include "policy/dns_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "policy/address.h"

namespace lk {

namespace {

constexpr std::size_t max_label = 63, max_wire = 255; // RFC 1035 2.3.4

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool in_a_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

Error no_name(std::string_view text, std::string_view why) {
    return bad_input(fmt::format("{} is no host name: {}", quote(text), why));
}

} // namespace

Result<DnsName> DnsName::parse(std::string_view text) {
    if (Address::parse(text)) return no_name(text, "it is an address already");
    std::string_view rest = text;
    if (rest.ends_with('.')) rest.remove_suffix(1);
    std::string wire;
    std::string_view last;
    while (true) {
        const auto dot = rest.find('.');
        last = rest.substr(0, dot);
        if (last.empty())
            return no_name(text, "expected labels between single dots, such as vpn.example.org");
        if (last.size() > max_label)
            return no_name(text, fmt::format("the label {} has {} bytes, {} at most", quote(last),
                                             last.size(), max_label));
        wire += static_cast<char>(last.size());
        std::transform(last.begin(), last.end(), std::back_inserter(wire), lower);
        if (!std::all_of(wire.end() - static_cast<std::ptrdiff_t>(last.size()), wire.end(), in_a_name))
            return no_name(text, "expected letters, digits, - and _ between the dots (names in other scripts "
                                 "in their form with xn--)");
        if (dot == rest.npos) break;
        rest.remove_prefix(dot + 1);
    }
    // No top-level domain is a number, and what ends in one is read as an address by somebody.
    if (std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return no_name(text, "it ends in a number, as addresses do");
    wire += '\0';
    if (wire.size() > max_wire)
        return no_name(text,
                       fmt::format("it takes {} bytes in a message, {} at most", wire.size(), max_wire));
    DnsName name;
    name.wire_ = std::move(wire);
    return name;
}

std::string DnsName::str() const {
    std::string text;
    for (std::size_t at = 0; wire_[at] != 0; at += 1 + static_cast<unsigned char>(wire_[at])) {
        if (!text.empty()) text += '.';
        text.append(wire_, at + 1, static_cast<unsigned char>(wire_[at]));
    }
    return text;
}

} // namespace lk
