// SPDX-License-Identifier: MIT
// What `resolve` found, for people and machines.
#pragma once

#include <string>
#include <vector>

#include "control/resolve.h"

namespace lk {

std::string resolve_text(const ResolveAnswer &answer); // an address a line, nothing else
std::string resolve_json(const ResolveAnswer &answer);

// For stderr, a line each: what went wrong, and the policy's part in it with what to do.
std::vector<std::string> resolve_troubles(const ResolveAnswer &answer);

} // namespace lk
