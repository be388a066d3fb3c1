// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "control/findings.h"

namespace lk {

// systemd-resolved's configuration as its files say, and whether it runs. ROOT: "", or a tree of that shape.
ResolvedFacts read_resolved(const std::string &root = "");

} // namespace lk
