// SPDX-License-Identifier: MIT
// The one list of cases that every judge answers: each row of docs/policy.md, in both families, on Ethernet
// and on L3 devices, tagged and not, each boundary with a packet on either side of it. `row` names a line of
// the page's table: "5", or "8.4" for the fourth line under row 8.
#pragma once

#include <string>
#include <vector>

#include "cases/packet.h"
#include "cases/world.h"

namespace lk {

struct Case {
    struct Step {
        Sender sender;
        Bytes frame;
    };
    std::string name, row;
    Answer expected;
    World world;
    std::vector<Step> earlier; // judged before, whatever the answer
    std::uint64_t gap_ns = 0;  // passes between those and the packet
    Step packet;
};

const std::vector<Case> &all_cases();

// The verdict that the page gives with a reason.
lk_verdict verdict_of(lk_reason reason);
std::string verdict_name(lk_verdict verdict);
std::string reason_name(lk_reason reason);
std::string to_string(const Answer &answer);
std::string describe(const World &world);

} // namespace lk
