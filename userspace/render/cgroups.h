// SPDX-License-Identifier: MIT
// The answers about cgroups' policies.
#pragma once

#include <string>

#include "control/cgroups.h"

namespace lk {

std::string cgroups_attached_text(const CgroupAnswer &answer);
std::string cgroups_attached_json(const CgroupAnswer &answer);

std::string cgroups_detached_text(const std::vector<std::string> &paths);
std::string cgroups_detached_json(const std::vector<std::string> &paths);
std::string all_cgroups_detached_text();
std::string all_cgroups_detached_json();

std::string cgroups_text(const CgroupStatus &status);
std::string cgroups_json(const CgroupStatus &status);

std::string process_text(const ProcessStatus &status);
std::string process_json(const ProcessStatus &status);

} // namespace lk
