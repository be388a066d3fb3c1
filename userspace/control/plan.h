// SPDX-License-Identifier: MIT
// What attach and apply share of deciding what is to be guarded. Pure.
#pragma once

#include <string>
#include <vector>

#include "control/control.h"

namespace lk {

// The lowest devices that carry the device NAME, which must be there and lead out: an error says why it
// cannot be guarded, and which uplinks there are. OVERRULED: whose tunnels and insides count. BY_KIND:
// classes without the names of uplinks, CLASSES with them.
Result<std::vector<int>> carriers(const std::string &name, const Topology &topology,
                                  const std::vector<DeviceClass> &by_kind,
                                  const std::vector<DeviceClass> &classes, const Policy &overruled);

// plan_attach() of a whole document. What is guarded today and in no scope of it stays guarded, by its last
// scope that takes new uplinks (without one: the last); only where it is named as tunnel or inside is it let
// go. An uplink that is not there is a notice.
Result<Plan> plan_whole(const AttachRequest &request, const Document &current, const Topology &topology);

} // namespace lk
