// SPDX-License-Identifier: MIT
// Links of ours that no pin leads to: somebody removed the pins while a process held the links open, or they
// are pinned in a bpffs that cannot be seen from here. Found by what they are.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace lk {

// Detaches every link of our programs in the network namespace with this cookie, in which the calling thread
// is; pinned ones too. Those on devices are the last, because it is they that open the wire. Links on
// security functions cannot be detached: their programs are left without a record of the namespace, and so
// leave everything alone. An error says what the first one was that did not go.
Result<void> end_living_links(std::uint64_t netns_cookie);

} // namespace lk
