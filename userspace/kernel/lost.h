// SPDX-License-Identifier: MIT
// Links of ours that no pin leads to: somebody removed the pins while a process held the links open, or they
// are pinned in a bpffs that cannot be seen from here. Found by what they are; nothing is changed here.
#pragma once

#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace lk {

// Of our programs on devices and control groups of the network namespace with this cookie, in which the
// calling thread is; pinned ones too. Those on devices are the last.
Result<std::vector<Fd>> living_links(std::uint64_t netns_cookie);

} // namespace lk
