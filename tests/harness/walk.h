// SPDX-License-Identifier: MIT
// Directories that others change meanwhile.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lk::harness {

// All that is below DIRECTORY; once more from the beginning where something went while it was looked at.
inline std::vector<std::filesystem::path> all_below(const std::string &directory) {
    for (;;) {
        std::vector<std::filesystem::path> found;
        std::error_code error;
        std::filesystem::recursive_directory_iterator entry(directory, error), end;
        for (; !error && entry != end; entry.increment(error))
            found.push_back(entry->path());
        if (!error || !std::filesystem::exists(directory)) return found;
    }
}

} // namespace lk::harness
