// SPDX-License-Identifier: MIT
// Who runs before and behind our program on a device. Reads only.
#pragma once

#include "base/result.h"
#include "kernel/state.h"

namespace lk {

// Fills in HOOK's ahead and behind from its ifindex, attachment and program id. Where nothing of ours is
// attached: who would run before it at clsact, and who would not.
Result<void> read_chain(UplinkHook &hook);

} // namespace lk
