// SPDX-License-Identifier: MIT
// A refused or rewritten packet as one line.
#pragma once

#include <chrono>
#include <string>

#include "leakbpf/abi.h"

namespace lk {

// What the record has only as numbers; empty: not known.
struct EventNames {
    std::chrono::nanoseconds time{}; // since 1970, UTC
    std::string device, user, cgroup;
};

// "12:00:00.000001 refuse not-allowed udp 198.51.100.2:1 -> 203.0.113.1:9 on eth0 ..."; local time zone.
std::string event_text(const lk_event &event, const EventNames &names);
std::string event_json(const lk_event &event, const EventNames &names); // one line

} // namespace lk
