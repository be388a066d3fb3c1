// SPDX-License-Identifier: MIT
// What the JSON answers share. Keys are promised in docs/json.md.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "policy/policy.h"

namespace lk {

using OrderedJson = nlohmann::ordered_json; // as documented, for people who look at it

inline constexpr int json_version = 1;

OrderedJson scopes_to_json(const Document &document);
OrderedJson follower_to_json(const std::optional<pid_t> &follower);

// Indented, or on one line. Bytes that are not UTF-8 become U+FFFD.
std::string dumped(const OrderedJson &json, bool indented = true);

} // namespace lk
