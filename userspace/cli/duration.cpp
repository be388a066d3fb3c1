// SPDX-License-Identifier: MIT
#include "cli/duration.h"

#include <fmt/format.h>

#include "base/text.h"

namespace lk {

Result<std::chrono::seconds> parse_bounded(const std::string &text, std::string_view for_what,
                                           std::chrono::seconds least, std::chrono::seconds most,
                                           std::string_view such_as) {
    const auto time = parse_duration(text);
    if (time && *time >= least && *time <= most) return *time;
    return bad_input(fmt::format("{} is no time for {}: expected {} to {} seconds, such as {}", quote(text),
                                 for_what, least.count(), most.count(), such_as));
}

} // namespace lk
