// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lk {

// How control groups are mounted here.
struct CgroupLayout {
    enum class Kind { none, v1, hybrid, v2 };
    Kind kind = Kind::none;         // hybrid: both versions
    std::vector<std::string> v2_at; // mount points of cgroup2
    bool operator==(const CgroupLayout &) const = default;
};
std::string_view to_string(CgroupLayout::Kind kind);

CgroupLayout cgroup_layout();                              // of this mount namespace
CgroupLayout cgroup_layout_in(std::string_view mountinfo); // of the text of /proc/self/mountinfo

} // namespace lk
