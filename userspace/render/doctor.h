// SPDX-License-Identifier: MIT
// What doctor found, for people and for machines.
#pragma once

#include <string>
#include <vector>

#include "control/doctor.h"

namespace lk {

std::string doctor_text(const Diagnosis &diagnosis, const std::vector<Guarantee> &wanted);
std::string doctor_json(const Diagnosis &diagnosis, const std::vector<Guarantee> &wanted);

} // namespace lk
