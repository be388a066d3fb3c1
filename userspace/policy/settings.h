// SPDX-License-Identifier: MIT
// Every value of a policy that people set, once: the command line and the configuration read this table, so
// that both take the same words for the same things.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/policy.h"

namespace lk {

struct Setting {
    enum class Kind {
        flag, // given or not
        word, // one value, the last word of a policy on it
        list  // any number of values, in the order given
    };
    const char *option; // on the command line, without its dashes: "gw"
    const char *key;    // in a configuration: "gateways"
    Kind kind;
    const char *form; // of a value, for --help; empty for a flag
    const char *help;
    // Puts one value into POLICY; a flag looks at no word. Errors quote the word and do not name the setting.
    Result<void> (*take)(std::string_view word, Policy &policy);
    bool for_cgroups = false; // can be part of a cgroup's policy
    bool for_uplinks = true;
};

// In the order in which --help shows them.
std::span<const Setting> settings();

// A device's name as the kernel takes it: 1 to 15 bytes, no slash, colon or space.
Result<std::string> parse_device(std::string_view word);

} // namespace lk
