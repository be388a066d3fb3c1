// SPDX-License-Identifier: MIT
// The document of an epoch as a pinned map: JSON, so that any later version can read what was asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kernel/pins.h"

namespace lk {

Result<void> write_document(const Pins &pins, std::uint32_t epoch, std::string_view json);
Result<std::string> read_document(const Pins &pins, std::uint32_t epoch);
// Removes every document but that of EPOCH.
Result<void> remove_other_documents(const Pins &pins, std::uint32_t epoch);

} // namespace lk
