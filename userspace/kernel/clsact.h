// SPDX-License-Identifier: MIT
// Our programs as cls_bpf filters in clsact, for kernels without tcx. Keeps no record of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/programs.h"
#include "kernel/rtnl.h"

namespace lk {

enum class Direction { egress, ingress };

// Puts the program NAME before all other filters, or in place of a filter of that name of ours. QDISC_MADE is
// called before the clsact qdisc is made, if there is none.
Result<void> attach_clsact(int ifindex, int program_fd, const std::function<Result<void>()> &qdisc_made,
                           Direction direction = Direction::egress, std::string_view name = uplink_program);

// The priority that attach_clsact() would get beside FILTERS, which are those of one direction in their
// order: those at lower ones run before it. A new filter goes before others of its kind at the same one.
unsigned free_priority(const std::vector<TcObject> &filters);

// Removes the filters that MINE picks.
Result<void> detach_clsact(int ifindex, const std::function<bool(const TcObject &)> &mine,
                           Direction direction = Direction::egress);

std::uint32_t clsact_parent(Direction direction);

// Removes the clsact qdisc if no filter is left in it.
Result<void> remove_empty_clsact(int ifindex);

// By its program's name, or the name it was attached under.
bool is_named(const TcObject &filter, std::string_view program);
bool is_named_ours(const TcObject &filter); // as any program of ours on a device

} // namespace lk
