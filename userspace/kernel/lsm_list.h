// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lk {

// The security modules that this kernel runs, in their order. Only where "bpf" is one of them are BPF
// programs on security hooks called, though they load and attach everywhere. None: it cannot be told.
std::optional<std::vector<std::string>> active_lsms();

// Of the text of /sys/kernel/security/lsm.
std::vector<std::string> lsms_in(const std::string &text);

} // namespace lk
