// SPDX-License-Identifier: MIT
// The state of the filter, for people and for machines.
#pragma once

#include <string>

#include "control/control.h"

namespace lk {

std::string status_text(const Status &status);
std::string status_json(const Status &status);

} // namespace lk
