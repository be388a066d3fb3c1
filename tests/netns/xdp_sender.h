// SPDX-License-Identifier: MIT
// One frame through an AF_XDP socket in copy mode: it goes to the driver below TC.
#pragma once

#include <string>

#include "harness/bytes.h"

namespace lk::harness {

void send_by_xdp(const std::string &device, const Bytes &frame);

} // namespace lk::harness
