// SPDX-License-Identifier: MIT
// What leads out of another network namespace: the ends that a container has of its links.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace lk {

// A device of the other namespace that is more than a thing of its own: it came from outside, or what it
// needs is there.
struct LinkEnd {
    int ifindex = 0; // there
    std::string name;
    std::string kind;      // IFLA_INFO_KIND; empty: hardware
    bool ethernet = false; // its frames have Ethernet's header
    int outer_ifindex = 0; // of a veth: its other end, in the caller's namespace; 0: not there
};

// NETNS: a descriptor of the other namespace, which the calling thread does not enter.
Result<std::vector<LinkEnd>> link_ends(int netns);

} // namespace lk
