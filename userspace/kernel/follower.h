// SPDX-License-Identifier: MIT
#pragma once

#include "base/result.h"
#include "kernel/pins.h"

namespace lk {

// Ends the living follower that claimed the directory, if that is not this process, and waits until it is
// gone.
Result<void> end_follower_of(const Pins &pins);

} // namespace lk
