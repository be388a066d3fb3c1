// SPDX-License-Identifier: MIT
#include "net/cgroup_layout.h"

#include "base/file.h"
#include "net/mountinfo.h"

namespace lk {

std::string_view to_string(CgroupLayout::Kind kind) {
    switch (kind) {
    case CgroupLayout::Kind::none: return "none";
    case CgroupLayout::Kind::v1: return "v1";
    case CgroupLayout::Kind::hybrid: return "hybrid";
    case CgroupLayout::Kind::v2: return "v2";
    }
    return "none";
}

CgroupLayout cgroup_layout_in(std::string_view mountinfo) {
    CgroupLayout layout;
    bool any_v1 = false;
    for (const Mount &mount : parse_mountinfo(mountinfo)) {
        any_v1 |= mount.type == "cgroup";
        if (mount.type == "cgroup2") layout.v2_at.push_back(mount.point);
    }
    using Kind = CgroupLayout::Kind;
    if (layout.v2_at.empty())
        layout.kind = any_v1 ? Kind::v1 : Kind::none;
    else
        layout.kind = any_v1 ? Kind::hybrid : Kind::v2;
    return layout;
}

CgroupLayout cgroup_layout() {
    return cgroup_layout_in(read_file("/proc/self/mountinfo").value_or(""));
}

} // namespace lk
