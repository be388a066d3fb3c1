// SPDX-License-Identifier: MIT
// For steps of a test that are no matter of the test: they work, or it is over.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace lk::harness {

// Throws std::runtime_error with WHAT and errno unless GOOD.
inline void must(bool good, const std::string &what) {
    if (!good) throw std::runtime_error(what + ": " + std::strerror(errno));
}

} // namespace lk::harness
