// SPDX-License-Identifier: MIT
#pragma once

#include "base/result.h"
#include "kernel/pins.h"

namespace lk {

// Ends the living follower that claimed the directory, if that is not this process, and waits until it is
// gone.
Result<void> end_follower_of(const Pins &pins);

// The same for every living one that follows the calling thread's network namespace and tells itself by pins
// that cannot be seen from here: it would put back what is taken off.
Result<void> end_unseen_followers();

} // namespace lk
