// SPDX-License-Identifier: MIT
// What the kernel says about BPF objects, and the errno texts of this room. Reads only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace lk {

// WHAT: «text of ERROR». EPERM and EACCES become Exit::permission.
Error system_error(const std::string &what, int error);

// An error unless the calling thread is in the network namespace with this cookie: an ifindex means another
// device in every namespace.
Result<void> check_namespace(std::uint64_t netns_cookie);

enum class BpfKind { program, map, link };
const char *to_string(BpfKind kind);

// An object of the kernel, by what it is: ids of one kind are unique, and reused only after very long.
struct BpfObject {
    BpfKind kind = BpfKind::program;
    std::uint32_t id = 0;
    std::string name; // links have none
    auto operator<=>(const BpfObject &) const = default;
};
std::string describe(const BpfObject &object); // map 17 "lk_gw"

// The pinned object at PATH, or the errno.
struct Opened {
    Fd fd;
    int error = 0;
};
Opened open_pin(const std::string &path);
std::optional<BpfObject> identify(int fd); // none: no descriptor of a BPF object
bool exists(const BpfObject &object);

struct ProgramInfo {
    std::uint32_t id = 0;
    std::string name;
    std::vector<std::uint32_t> map_ids;
    std::uint64_t load_time_ns = 0; // since boot
};
std::optional<ProgramInfo> program_info(int fd);
std::string program_name(std::uint32_t id); // empty: there is none

// What a link hangs on. TARGET: ifindex for tcx, cgroup id for cgroup links; 0: the target is gone.
struct LinkInfo {
    std::uint32_t id = 0;
    std::uint32_t program_id = 0;
    std::uint64_t target = 0;
};
std::optional<LinkInfo> link_info(int fd);        // of any kind, without a target
std::optional<LinkInfo> tcx_link_info(int fd);    // none: not a tcx link
std::optional<LinkInfo> cgroup_link_info(int fd); // none: not a cgroup link

} // namespace lk
