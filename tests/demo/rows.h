// SPDX-License-Identifier: MIT
// What the demo sends, and what ought to become of it. Knows nothing of leakbpf: what left is read off the
// provider's wire.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "demo/world.h"

namespace lk::demo {

enum class Fate {
    clear,  // seen on the provider's wire as it was sent
    tunnel, // answered, and the wire shows nothing of it
    stayed, // neither seen nor answered
};

struct Row {
    std::string what;           // for people
    bool tunnel_up;             // when it is sent
    bool from_box;              // by the container behind the host
    harness::Mark mark;         // what it looks like on the wire
    std::function<void()> send; // in a process of its own; throws with what went wrong
    Fate without, with;         // as expected
};

std::vector<Row> rows();

struct Sight {
    Fate fate = Fate::stayed;
    std::string trouble; // what the sender was told
};

// Sends ROW and looks at the wire.
Sight send(World &world, const Row &row);

} // namespace lk::demo
