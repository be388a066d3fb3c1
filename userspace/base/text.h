// SPDX-License-Identifier: MIT
// Small helpers for text from outside: quoting for messages, strict numbers. Nothing here knows the domain.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lk {

// TEXT in double quotes for a message: control characters and bytes that are not UTF-8 as \xNN (a terminal
// must not obey what somebody typed), cut after 120 bytes with "...".
std::string quote(std::string_view text);

// Digits only: no sign, no space, no leading zero but in "0" itself; none if it does not fit.
std::optional<std::uint64_t> parse_decimal(std::string_view text);

// As above, or 0x and hexadecimal digits of either case.
std::optional<std::uint64_t> parse_number(std::string_view text);

// "90", "90s" or "5m"; none if it is anything else or more than a year.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

bool is_utf8(std::string_view text); // well-formed: no surrogates, no overlong forms

// 100000 as "100,000", for messages.
std::string grouped(std::uint64_t number);

} // namespace lk
