// SPDX-License-Identifier: MIT
// A portal that is open, in words.
#pragma once

#include <optional>

#include "control/portal.h"
#include "render/json.h"

namespace lk {

std::string portal_text(const std::optional<OpenPortal> &portal); // one line, or none
OrderedJson portal_to_json(const std::optional<OpenPortal> &portal);

// Of the command itself.
std::string portal_opened_text(const PortalAnswer &answer); // also what to do now
std::string portal_opened_json(const PortalAnswer &answer);
std::string portal_closed_text(bool was_open);
std::string portal_closed_json();

} // namespace lk
