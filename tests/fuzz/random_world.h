// SPDX-License-Identifier: MIT
// Worlds that are full of edges: prefixes that nest, touch and collide. Values only.
#pragma once

#include <array>
#include <vector>

#include "cases/world.h"
#include "fuzz/random.h"

namespace lk::fuzz {

World random_world(Random &random);

// What packets of a world should be about.
struct Surroundings {
    std::vector<std::array<std::uint8_t, 4>> own4, v4; // v4: addresses of and around everything in the world
    std::vector<std::array<std::uint8_t, 16>> own6, v6;
    std::vector<std::uint16_t> ports;
};
Surroundings surroundings_of(const World &world, Random &random);

} // namespace lk::fuzz
