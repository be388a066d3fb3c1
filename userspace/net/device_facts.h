// SPDX-License-Identifier: MIT
// What of a device may send below a filter on its egress, and can be seen. Reads only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lk {

struct DeviceFacts {
    bool tc_offload = false;  // hw-tc-offload is on: rules may forward in the hardware
    std::string switch_id;    // a port of a hardware switch (phys_switch_id); empty: of none
    std::string xdp;          // "program 17 «name», native"; empty: none
    unsigned xdp_sockets = 0; // AF_XDP sockets of this network namespace that are bound to it
    bool operator==(const DeviceFacts &) const = default;
};

// Of the calling thread's network namespace; xdp is left empty. A device that is gone has no facts.
DeviceFacts device_facts(const std::string &name, int ifindex);

// netconsole's targets, "NAME on DEVICE". SYS, CMDLINE, CONSOLES: what to read instead of /sys, /proc/cmdline
// and /proc/consoles.
std::vector<std::string> netconsole_targets(const std::string &sys = "/sys",
                                            const std::string &cmdline = "/proc/cmdline",
                                            const std::string &consoles = "/proc/consoles");

// How many AF_XDP sockets of the calling thread's network namespace are bound, by ifindex. None: this kernel
// has such sockets and does not list them.
std::optional<std::map<int, unsigned>> xdp_sockets();

} // namespace lk
