// SPDX-License-Identifier: MIT
// What the pinned programs answer of the questions of probe.h.
#include <algorithm>

#include "kernel/state_impl.h"

namespace lk {

KernelProbes State::known_probes() const {
    KernelProbes probes;
    if (!programs_are_current(impl_->pins)) return probes;
    const auto there = [this](const char *name) {
        return impl_->programs.contains(name) ? Probe::ok() : Probe();
    };
    probes.uplink = there(uplink_program);
    probes.sockets = Probe::ok(); // or there were no State
    probes.tunnel = there(tunnel_in_program).works ? there(tunnel_out_program) : Probe();
    probes.serve = there(serve_program);
    probes.gate = there(gate_netfilter_program);
    probes.gate_cgroup = there(gate_cgroup_program);
    if (const auto guards = guard_hooks()) {
        const auto alive = [&guards](bool compat) {
            const auto asked_for = [compat](const GuardHook &guard) {
                return (guard.name == "compat") == compat;
            };
            return std::ranges::all_of(
                *guards, [&](const GuardHook &guard) { return guard.alive || !asked_for(guard); });
        };
        probes.compat = alive(true) ? Probe::ok() : Probe();
        probes.lsm = alive(false) ? Probe::ok() : Probe();
    }
    probe_hooks(impl_->program(uplink_program).fd.get(), probes);
    return probes;
}

} // namespace lk
