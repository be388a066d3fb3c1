// SPDX-License-Identifier: MIT
#pragma once

namespace lk {

// Returns after every program that ran when it was called has ended. False: this kernel offers no way to
// wait.
bool wait_grace_period();

// Whether there is one, found out without waiting where the kernel tells.
bool can_wait_grace_period();

} // namespace lk
