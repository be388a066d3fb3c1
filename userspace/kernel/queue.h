// SPDX-License-Identifier: MIT
// Empties what waits in a device's queue: it passed no filter. Leaves the device's queueing as it was.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace lk {

// A notice for people where the queue could not be emptied (a tree of classes is not ours to rebuild).
Result<std::optional<std::string>> empty_queue(int ifindex);

} // namespace lk
