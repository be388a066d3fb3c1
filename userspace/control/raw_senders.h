// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace lk {

// Processes of this network namespace with CAP_NET_RAW, as "name (pid 812)", kernel threads aside. PROC:
// /proc, or another tree of that shape.
std::vector<std::string> raw_senders(const std::string &proc = "/proc");

} // namespace lk
