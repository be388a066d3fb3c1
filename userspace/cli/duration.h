// SPDX-License-Identifier: MIT
// How long, as an option or argument takes it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lk {

// parse_duration() within bounds. FOR_WHAT: "a trial"; SUCH_AS: examples. An error quotes the text.
Result<std::chrono::seconds> parse_bounded(const std::string &text, std::string_view for_what,
                                           std::chrono::seconds least, std::chrono::seconds most,
                                           std::string_view such_as);

} // namespace lk
