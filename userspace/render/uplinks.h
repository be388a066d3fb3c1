// SPDX-License-Identifier: MIT
// One line of status per uplink that is guarded, should be, or has a hook of ours.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/control.h"
#include "render/json.h"

namespace lk {

struct UplinkLine {
    int ifindex = 0;
    std::optional<std::string> name; // none: the device is gone
    bool guarded = false;            // a policy is for it
    const UplinkHook *hook = nullptr;
};

// Sorted by ifindex; HOOK points into STATUS.
std::vector<UplinkLine> uplink_lines(const Status &status);

std::string_view attachment_name(Attachment attachment);
OrderedJson uplink_to_json(const UplinkLine &line);

} // namespace lk
