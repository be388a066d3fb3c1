// SPDX-License-Identifier: MIT
// By which tunnel a policy's queries reach a resolver.
#pragma once

#include <string>
#include <vector>

#include "image/build_scopes.h"
#include "image/map_image.h"
#include "leakbpf/abi.h"

namespace lk {

// Fills in record.way4 and record.way6, and with them the resolver of each family: the first one named that a
// tunnel leads to. A tunnel leads to it if it is up and has an own address of the resolver's family that is
// not link-local. A tunnel whose own prefix holds a resolver leads to no other one in private address space:
// to none of this policy unless nothing else is left (the other one's own tunnel is down), and never to one
// of this policy if the resolver that it holds is another scope's, one of OF_OTHERS. Of several tunnels the
// one with the longest on-link prefix around the resolver is taken, then one that holds a default route or
// half of one, then the one made first. Routes are not asked: whoever can push one would say where queries
// go.
void add_ways(lk_policy &record, const Policy &policy, const std::vector<Resolver> &of_others,
              const Topology &topology, const std::vector<DeviceClass> &classes);

// Takes back what leads through this device: it cannot carry answers.
void drop_ways(MapImage &image, int ifindex);

// Fills in for which families names may be asked in the clear: those for which RECORD has no way. To be
// called before any is taken back: a tunnel that cannot carry queries leads to the resolver all the same.
void add_bootstrap(lk_policy &record, const GatewaySet &gateways);

// The tunnels that ways of these records lead by, sorted, each once.
void note_tunnels(std::vector<int> &tunnels, const lk_policy &record);

// Adds the other tunnels, on which port 53 goes to a resolver as well: also those that are down, so that they
// are not open while they come up. At most LK_TUNNELS in all; the names of those beyond.
std::vector<std::string> note_other_tunnels(std::vector<int> &tunnels, const Topology &topology,
                                            const std::vector<DeviceClass> &classes);

} // namespace lk
