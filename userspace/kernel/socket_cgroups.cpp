// SPDX-License-Identifier: MIT
#include "kernel/socket_cgroups.h"

#include <bpf/btf.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace lk {

namespace {

bool is_linux_5_15() {
    utsname name{};
    unsigned major = 0, minor = 0;
    return ::uname(&name) == 0 && std::sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
           std::pair{major, minor} >= std::pair{5U, 15U};
}

// Those of Linux 5.15 and later have a place for the cgroup and others for classid and priority; older ones
// may have got it from their distribution.
bool have_places_for_both() {
    if (is_linux_5_15()) return true; // reading BTF takes milliseconds
    const std::unique_ptr<btf, decltype(&btf__free)> types{btf__load_vmlinux_btf(), btf__free};
    if (!types) return false;
    const auto id = btf__find_by_name_kind(types.get(), "sock_cgroup_data", BTF_KIND_STRUCT);
    const btf_type *type = id > 0 ? btf__type_by_id(types.get(), static_cast<__u32>(id)) : nullptr;
    if (!type) return false;
    for (__u16 i = 0; i < btf_vlen(type); ++i)
        if (std::string_view("cgroup") == btf__name_by_offset(types.get(), btf_members(type)[i].name_off))
            return true;
    return false;
}

} // namespace

std::string forgetting_hierarchy(const std::string &text) {
    std::istringstream lines(text);
    for (std::string number, names, path;
         std::getline(lines, number, ':') && std::getline(lines, names, ':') && std::getline(lines, path);) {
        const auto list = "," + names + ",";
        for (const char *name : {",net_cls,", ",net_prio,"})
            if (list.find(name) != std::string::npos) return names;
    }
    return "";
}

Result<void> check_socket_cgroups() {
    std::ifstream file("/proc/self/cgroup");
    const auto hierarchy = forgetting_hierarchy({std::istreambuf_iterator<char>(file), {}});
    if (hierarchy.empty() || have_places_for_both()) return {};
    return unsupported(fmt::format("{} of cgroup v1 is mounted, and sockets of this kernel forget their "
                                   "cgroups when it is used: unmount it, or use Linux 5.15 or later",
                                   quote(hierarchy)));
}

} // namespace lk
