// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <vector>

namespace lk {

// In order, and none twice.
template <typename T>
void sort_unique(std::vector<T> &values) {
    std::ranges::sort(values);
    values.erase(std::unique(values.begin(), values.end()), values.end());
}

} // namespace lk
