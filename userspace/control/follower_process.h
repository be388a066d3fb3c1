// SPDX-License-Identifier: MIT
// The follower as a process in the background. It stands alone: nothing of the attach that started it is
// needed.
#pragma once

#include <sys/types.h>

#include "kernel/state.h"

namespace lk {

// The first line of `leakbpf follow` on stdout, once it follows.
inline constexpr const char *following_line = "following: ";

// Starts `leakbpf follow` of this very binary in a session of its own, in the network namespace of the
// caller, and returns when it follows (its pid), or with its error. Must not be called under the Lock: its
// first turn needs it.
Result<pid_t> start_follower(const Place &place);

} // namespace lk
