// SPDX-License-Identifier: MIT
// Cgroups by the names that people know: a path, a systemd unit, a container.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace lk {

// The directory below ROOT, relative to it, that WORD names: a path (absolute, or from ROOT), a unit such as
// nginx.service, or container:ID (12 digits or more of it). Errors quote WORD; so does one for a name that
// two cgroups have. The system manager's units are in slices: what is inside another unit, a user's manager
// or a container gave its cgroups their names itself, so there no unit is looked for, and in a container no
// other one.
Result<std::string> find_cgroup(const std::string &root, const std::string &word);

// What a cgroup's path says of it; empty where it says nothing.
struct CgroupNames {
    std::string unit;      // the innermost: "nginx.service"
    std::string container; // its whole id
};
CgroupNames names_of_cgroup(std::string_view path);

// The numbers of the processes in the cgroup DIRECTORY and below it.
std::set<std::string> processes_below(const std::string &directory);

// The cgroup of every process in ROOT, relative to it; a process is in none other, whatever /proc shows of
// it.
std::map<std::string, std::string> cgroups_by_process(const std::string &root);

// False: /proc is that of another pid namespace than this process is in, so its numbers mean other processes.
bool proc_has_own_numbers();

// The cgroup of a process, relative to ROOT.
Result<std::string> cgroup_of_process(const std::string &root, int pid);

} // namespace lk
