// SPDX-License-Identifier: MIT
// Whether sockets know their cgroups. Before Linux 5.15 net_cls and net_prio of cgroup v1 take the place of
// the cgroup in every socket that is made once one of them was used.
#pragma once

#include <string>

#include "base/result.h"

namespace lk {

// An error where they may not.
Result<void> check_socket_cgroups();

// The hierarchy of cgroup v1 with one of the two, "net_cls,net_prio" for instance, of the text of
// /proc/self/cgroup; empty: none is mounted.
std::string forgetting_hierarchy(const std::string &text);

} // namespace lk
