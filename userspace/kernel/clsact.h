// SPDX-License-Identifier: MIT
// Our program as a cls_bpf filter on clsact egress, for kernels without tcx. Keeps no record of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "kernel/rtnl.h"

namespace lk {

// Puts the program before all other filters, or in place of a filter of ours. QDISC_MADE is called before the
// clsact qdisc is made, if there is none.
Result<void> attach_clsact(int ifindex, int program_fd, const std::function<Result<void>()> &qdisc_made);

// Removes the filters that MINE picks.
Result<void> detach_clsact(int ifindex, const std::function<bool(const TcObject &)> &mine);

// Removes the clsact qdisc if no filter is left in it.
Result<void> remove_empty_clsact(int ifindex);

bool is_named_ours(const TcObject &filter); // by its program's name, or the name it was attached under

} // namespace lk
