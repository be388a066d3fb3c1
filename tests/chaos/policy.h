// SPDX-License-Identifier: MIT
// A policy of a run, and the two ways to ask for it: the command line and a configuration. Runs nothing.
#pragma once

#include <string>
#include <vector>

namespace lk::chaos {

struct Asked {
    std::vector<std::string> interfaces;
    std::vector<std::string> gateways;
    std::string hook;
    bool no_lan = false;
    bool drop = false;
};

std::vector<std::string> attach_words(const Asked &asked);
std::string configuration(const Asked &asked);

} // namespace lk::chaos
