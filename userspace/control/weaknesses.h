// SPDX-License-Identifier: MIT
// What of a status is worse than promised. Pure.
#pragma once

#include "control/control.h"

namespace lk {

// Appends to STATUS.weaknesses what breaks a promise (a program ahead of ours, a hook that is missing or
// dead, no policy) and to STATUS.remarks what was chosen or only ought to be known (an uplink left unguarded,
// no follower, a named uplink that is not there).
void judge(Status &status);

} // namespace lk
