// SPDX-License-Identifier: MIT
// /proc/self/mountinfo as values. Private to this room.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lk {

struct Mount {
    unsigned major = 0, minor = 0; // of the file system: st_dev of what is mounted
    std::string root;              // which directory of the file system is mounted
    std::string point;             // where, as this process sees it
    std::string type;              // "cgroup2", ...
    bool operator==(const Mount &) const = default;
};

// Lines that are not as proc(5) has them are left out.
std::vector<Mount> parse_mountinfo(std::string_view text);

} // namespace lk
