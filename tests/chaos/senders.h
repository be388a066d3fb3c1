// SPDX-License-Identifier: MIT
// The two senders, one of what is allowed and one of what is not: ordinary users' processes that send by the
// IP stack and write down what they sent. They never listen: whatever comes back is the kernel's matter.
#pragma once

#include <memory>

#include "chaos/flows.h"
#include "harness/netns.h"
#include "harness/sender.h"

namespace lk::chaos {

// PER_SECOND packets of each flow, evenly; a packet that is late by more than a few is left out.
std::unique_ptr<harness::Helper> start_sender(const harness::Netns &host, Ledger &ledger, bool allowed,
                                              unsigned per_second);

} // namespace lk::chaos
