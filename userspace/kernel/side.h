// SPDX-License-Identifier: MIT
// One of our programs on one side of a device, beside the uplink's own: by a tcx link that is pinned, or by a
// clsact filter of which the pinned program is the record.
#pragma once

#include <string>

#include "kernel/clsact.h"
#include "kernel/pins.h"
#include "kernel/programs.h"

namespace lk {

struct Side {
    Direction direction;
    const char *program; // its name
    std::string pin;     // the path
};

bool is_on(const Side &side, int ifindex, const Program &program); // alive
// Idempotent: a living one is left as it is, a dead pin is replaced.
Result<void> attach_side(const Pins &pins, int ifindex, const Side &side, const Program &program);
// Filters by the program's name; a clsact qdisc that was made for it is left.
Result<void> detach_side(int ifindex, const Side &side);
// A clsact qdisc of ours that holds nothing more, unless the uplink's hook accounts for it.
Result<void> drop_own_qdisc(const Pins &pins, int ifindex);

} // namespace lk
