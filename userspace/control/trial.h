// SPDX-License-Identifier: MIT
// attach --try: how a trial begins, goes on and ends. Its deadline is a part of the document, so that it is
// whoever follows that carries it out. Going back never opens what was guarded before.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/control.h"

namespace lk {

constexpr std::chrono::seconds trial_least{5}, trial_most{3600};

bool overdue(const Document &document, std::uint64_t now_ns);

// What DOCUMENT goes back to, still guarding what it guarded then. Without scopes: nothing. HOOKS becomes
// those that are not let go of.
Document gone_back(const Document &document, const Topology &topology, std::vector<UplinkHook> &hooks);

// The trial of PLANNED, which takes the place of CURRENT: begun anew where none is running, else the running
// one, which goes on with what it goes back to. HOOKS: those there are now. Where no trial is running and
// none is ASKED for, PLANNED is left alone.
void put_on_trial(Document &planned, const Document &current, bool asked,
                  const std::vector<UplinkHook> &hooks);

// From now on; nothing to do without a trial.
void set_deadline(Document &document, std::chrono::seconds time);

std::optional<OnTrial> on_trial(const Document &document);

// Carries the trial of DOCUMENT out. STATE is closed where everything is taken off; where it is not, the
// second gate is still the trial's, for the caller to keep_gate(). Needs the Lock.
Result<void> go_back(const Place &place, std::optional<State> &state, const Document &document,
                     const Topology &topology);

} // namespace lk
