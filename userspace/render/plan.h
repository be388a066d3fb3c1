// SPDX-License-Identifier: MIT
// The answers of attach, detach and check.
#pragma once

#include <string>

#include "control/control.h"
#include "control/dry_run.h"

namespace lk {

std::string attach_text(const AttachAnswer &answer);
std::string attach_json(const AttachAnswer &answer);

std::string detach_text(const DetachRequest &request);
std::string detach_json(const DetachRequest &request);

std::string plan_text(const DryRun &dry);
std::string plan_json(const DryRun &dry);

} // namespace lk
