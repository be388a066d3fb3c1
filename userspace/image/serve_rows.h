// SPDX-License-Identifier: MIT
// A service's rows of lk_serves under a set's id: one for each family that may ask.
#pragma once

#include <vector>

#include "leakbpf/abi.h"
#include "policy/policy.h"

namespace lk {

std::vector<lk_serve_net> serve_keys_of(const ServedPort &service, std::uint32_t set);

} // namespace lk
