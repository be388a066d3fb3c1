// SPDX-License-Identifier: MIT
// What is pinned for a network namespace, seen without opening any of it: for states of other versions and
// broken ones.
#pragma once

#include <vector>

#include "kernel/state.h"

namespace lk {

// State of any version, whole or broken; a directory with nothing in it is none.
bool any_state(const Place &place);
// Where there is one and State::find() finds none.
inline constexpr const char *unusable_state =
    "there is a filter of another version or a half-made one: leakbpf attach replaces it, leakbpf detach "
    "takes it off";

// Uplinks that states of other versions and stale ones were put on, by ifindex; with OWN_TOO also those of
// the state at PLACE itself. A hook that is named here may be dead by now.
std::vector<int> leftover_hooks(const Place &place, bool own_too);

// A second gate of any state, whole or not.
bool gate_left(const Place &place);

} // namespace lk
