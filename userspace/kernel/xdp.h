// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace lk {

// The XDP program of a device, as "program 17 \"name\", native"; empty: none, or the device is gone.
std::string xdp_on(int ifindex);

} // namespace lk
