// SPDX-License-Identifier: MIT
// A policy in words.
#pragma once

#include <string>
#include <vector>

#include "policy/policy.h"

namespace lk {

// Rows {what, value} for columns(); only what is set or matters.
std::vector<std::vector<std::string>> policy_rows(const Policy &policy);

// "scope 1: eth0, wlan0, and uplinks that come later" and the policy's rows below.
std::string scopes_text(const Document &document);

} // namespace lk
