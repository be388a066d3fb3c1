// SPDX-License-Identifier: MIT
// A policy on trial, in words.
#pragma once

#include "control/control.h"
#include "render/json.h"

namespace lk {

std::string trial_text(const std::optional<OnTrial> &trial); // one line, or none
OrderedJson trial_to_json(const std::optional<OnTrial> &trial);

std::string keep_text(const Kept &kept);
std::string keep_json(const Kept &kept);

} // namespace lk
