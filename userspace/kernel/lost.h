// SPDX-License-Identifier: MIT
// Links of ours that no pin leads to: somebody removed the pins while a process held the links open, or they
// are pinned in a bpffs that cannot be seen from here. Found by what they are.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"

namespace lk {

// Calls END for each link of our programs on devices and control groups of the network namespace with this
// cookie, in which the calling thread is; pinned ones too. Those on devices are the last, because it is they
// that open the wire. One descriptor is open at a time: there may be more links than descriptors.
Result<void> for_each_living_link(std::uint64_t netns_cookie, const std::function<void(int link)> &end);

} // namespace lk
