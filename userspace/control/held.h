// SPDX-License-Identifier: MIT
// What a command starts from that changes a policy in force.
#pragma once

#include <chrono>
#include <string_view>

#include "control/control.h"

namespace lk {

// How long a command waits for another one that is changing the same.
constexpr std::chrono::seconds lock_limit{10};

// The state of a network namespace, under the Lock, with what is in force in it and what is there now.
struct Held {
    Lock lock;
    State state;
    Document document; // hold_guarded()
    Topology topology;
};

// Exit::not_attached where nothing is in force. CONSEQUENCE: of that, to end the sentence with; may be empty.
Result<Held> hold(const Site &site, std::string_view consequence = {});

} // namespace lk
