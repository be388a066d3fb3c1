// SPDX-License-Identifier: MIT
// Filters as commands on a bare world, for when the command is what is measured.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bench/speed_world.h"

namespace lk::bench {

using Commands = std::vector<std::vector<std::string>>;

// Files of a policy are written beforehand; the commands are all that a user would run.
struct Loader {
    std::string name, title;
    std::function<Commands(const SpeedWorld &world, const Policy &policy)> load; // where nothing is in force
    std::function<Commands(const SpeedWorld &world, const Policy &policy)> replace; // where another policy is
    std::function<Commands(const SpeedWorld &world)> unload;
    std::vector<std::string> tools;
    unsigned most_rounds = 1000; // of 10,000 gateways: some take seconds
};

std::vector<Loader> loaders();

// From the start of the first to the end of the last. Throws where one fails.
double run_ms(const SpeedWorld &world, const Commands &commands);

} // namespace lk::bench
