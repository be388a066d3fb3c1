// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

namespace lk {

std::optional<std::string> read_file(const std::string &path); // whole; none: it cannot be opened

} // namespace lk
