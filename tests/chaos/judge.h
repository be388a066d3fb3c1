// SPDX-License-Identifier: MIT
// The judge on the far side of the wire: a process that reads every frame that arrives there and writes down
// which packet of which flow it is. Knows nothing of what the filter or the actions do.
#pragma once

#include <memory>

#include "chaos/flows.h"
#include "harness/netns.h"
#include "harness/sender.h"

namespace lk::chaos {

std::unique_ptr<harness::Helper> start_judge(const harness::Netns &far, Ledger &ledger);

} // namespace lk::chaos
