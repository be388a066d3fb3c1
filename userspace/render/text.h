// SPDX-License-Identifier: MIT
// Plain text for people: aligned columns, no colours, nothing that a terminal could obey.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lk {

// A name from outside (device, process, cgroup) with control characters shown as \xNN.
std::string plain(std::string_view name);

// RFC 3339, UTC, whole seconds.
std::string utc_text(std::int64_t unix_s);

// Rows as lines, columns as wide as their widest cell and two blanks apart. Columns named in RIGHT (by
// position) are aligned to the right. INDENT blanks before each line.
std::string columns(const std::vector<std::vector<std::string>> &rows, std::size_t indent,
                    const std::vector<std::size_t> &right = {});

// The first few of a long list and how many there are: "a, b, c and 99,997 more".
std::string abridged(const std::vector<std::string> &words, std::size_t most = 8);

// All of them, each as plain() shows it: "a, b, c".
std::string all_plain(const std::vector<std::string> &names);

// A line "HEAD: LINE" for each.
std::string sentences(const char *head, const std::vector<std::string> &lines);

} // namespace lk
