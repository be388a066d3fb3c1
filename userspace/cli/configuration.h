// SPDX-License-Identifier: MIT
// From a configuration's path to what holds, shared by check, apply and follow.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/control.h"

namespace lk {

// The request that the file at PATH stands for. Errors are Exit::bad_input and say where in it.
Result<AttachRequest> config_request(const std::string &path);

// ERROR of a request that came from PATH, in the words of a configuration.
Error in_configuration(const std::string &path, Error error);

struct Applied {
    AttachAnswer answer;
    std::optional<Error> locked_down; // why lockdown is in force, and not the configuration
};
// REQUEST put into force. OR_LOCKDOWN: where that fails, or REQUEST is an error, and nothing is in force yet,
// every uplink is locked down, with what can be had; what is in force already stays. FOLLOW: of lockdown.
Result<Applied> apply(const Site &site, const std::string &path, const Result<AttachRequest> &request,
                      bool or_lockdown, bool follow);

} // namespace lk
