// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <fstream>
#include <iterator>

namespace lk {

std::optional<std::string> read_file(const std::string &path) {
    std::ifstream file(path);
    if (!file) return {};
    return std::string(std::istreambuf_iterator<char>(file), {});
}

} // namespace lk
