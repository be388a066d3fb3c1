// SPDX-License-Identifier: MIT
#include "render/trial.h"

#include <fmt/format.h>

#include "render/text.h"

namespace lk {

std::string trial_text(const std::optional<OnTrial> &trial) {
    if (!trial) return {};
    const char *back =
        trial->takes_all_off ? "everything is taken off again" : "the policy before comes back";
    if (trial->seconds_left == 0) return fmt::format("ON TRIAL, and its time is over: {}\n", back);
    return fmt::format("ON TRIAL: {} s left, then {}; leakbpf keep makes it stay\n", trial->seconds_left,
                       back);
}

OrderedJson trial_to_json(const std::optional<OnTrial> &trial) {
    if (!trial) return nullptr;
    return {{"deadline", utc_text(trial->deadline_unix_s)},
            {"seconds_left", trial->seconds_left},
            {"takes_all_off", trial->takes_all_off}};
}

std::string keep_text(const Kept &kept) {
    return fmt::format("kept: policy {} stays until detach\n", kept.epoch);
}

std::string keep_json(const Kept &kept) {
    return dumped({{"version", json_version}, {"kept", true}, {"epoch", kept.epoch}});
}

} // namespace lk
