// SPDX-License-Identifier: MIT
// Sessions of services that are there when a policy begins to serve them, such as the one in which somebody
// types attach: nobody saw them begin, and they are to go on.
#pragma once

#include <string>
#include <vector>

#include "control/control.h"

namespace lk {

// The services of each uplink that NOW names and BEFORE did not, on devices with a living hook.
struct NewServices {
    int ifindex = 0;
    std::vector<ServedPort> services;
};
std::vector<NewServices> new_services(const Document &now, const Document &before, const Topology &topology,
                                      const std::vector<UplinkHook> &hooks_before);

// Lets the sessions of FRESH go on: of this machine's own sockets, to an own address of the uplink where
// somebody still listens, that the kernel sends by just that uplink. What fails is a sentence in the answer:
// they end then. So is each, up to a few, whose route leads elsewhere.
std::vector<std::string> keep_sessions(State &state, const Document &now, const Topology &topology,
                                       const std::vector<NewServices> &fresh);

} // namespace lk
