// SPDX-License-Identifier: MIT
// What this kernel takes, found out by doing it: our own objects are loaded over maps of their own, and hooks
// are tried in a network namespace made for it. Nothing of it stays, and nothing of the machine's is touched.
#pragma once

#include <string>

namespace lk {

struct Probe {
    bool works = false;
    std::string why_not; // the kernel's answer
    static Probe ok() { return {true, {}}; }
    static Probe no(std::string why) { return {false, std::move(why)}; }
    bool operator==(const Probe &) const = default;
};

struct KernelProbes {
    Probe uplink;      // the filter's program loads
    Probe tcx;         // ... and attaches by tcx
    Probe clsact;      // ... and by clsact
    Probe sockets;     // the socket hooks' programs load
    Probe tunnel;      // the tunnels' programs load
    Probe serve;       // the program that sees who asks services loads
    Probe gate;        // the second gate's for netfilter loads
    Probe gate_cgroup; // ... and its other form
    Probe compat;      // the guard for 32-bit system calls loads
    Probe lsm;         // the programs for security modules load (and may be inert all the same)
};

// What works in KNOWN is not tried. Needs root.
KernelProbes probe_kernel(const KernelProbes &known = {});
// The tcx and clsact of PROBES, with the descriptor of a program that is loaded.
void probe_hooks(int program, KernelProbes &probes);

} // namespace lk
