// SPDX-License-Identifier: MIT
#include "control/front.h"

#include <fmt/format.h>

#include "control/scopes.h"

namespace lk {

namespace {

constexpr unsigned most_times = 8;
constexpr std::chrono::seconds first_rest{1}; // twice as long each time
constexpr std::chrono::minutes peace{10};     // after which a quarrel is over

} // namespace

bool Front::rests(int ifindex, Clock::time_point now) const {
    const auto found = quarrels_.find(ifindex);
    return found != quarrels_.end() && (found->second.times >= most_times || now < found->second.due);
}

bool Front::disturbed(const State &state, const std::vector<int> &uplinks, Clock::time_point now) {
    std::erase_if(quarrels_, [&](const auto &entry) {
        return now - entry.second.last > peace && state.front_place(entry.first) == FrontPlace::first;
    });
    bool any = false;
    for (const int ifindex : uplinks)
        any = any || (state.front_place(ifindex) != FrontPlace::first && !rests(ifindex, now));
    return any;
}

Front::Answer Front::restore(State &state, const std::vector<int> &uplinks, const Topology &topology,
                             Clock::time_point now) {
    Answer answer;
    for (const int ifindex : uplinks) {
        if (state.front_place(ifindex) != FrontPlace::behind) continue;
        const std::string others = listed(state.ahead_of(ifindex));
        const std::string name = device_name(topology, ifindex);
        Quarrel &quarrel = quarrels_[ifindex];
        Result<void> done;
        if (!rests(ifindex, now)) {
            done = state.put_first(ifindex);
            ++quarrel.times;
            quarrel.last = now;
            quarrel.due = now + first_rest * (1u << quarrel.times);
            if (done) {
                answer.restored.push_back(fmt::format("{}: {} had come before our program and could let "
                                                      "packets past it; ours is first again",
                                                      name, others));
                continue;
            }
        }
        answer.left.push_back(fmt::format("{}: {} runs before our program and can let packets past it{}",
                                          name, others, done ? "" : ": " + done.error().message));
    }
    return answer;
}

} // namespace lk
