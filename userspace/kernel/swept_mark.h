// SPDX-License-Identifier: MIT
// The note that nothing is left of earlier commits: no program judges by them any more, and no row is there
// that nothing names. Who finds it need not wait and look. It is taken away before anything is written and
// put back when all is done, so that whoever dies in between leaves none. Needs the Lock.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "kernel/pins.h"

namespace lk {

// Of this epoch and this next set id, and no others.
bool is_swept(const Pins &pins, std::uint32_t epoch, std::uint32_t next_id);
Result<void> note_swept(const Pins &pins, std::uint32_t epoch, std::uint32_t next_id);
Result<void> forget_swept(const Pins &pins);

} // namespace lk
