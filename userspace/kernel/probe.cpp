// SPDX-License-Identifier: MIT
#include "kernel/probe.h"

#include <bpf/libbpf.h>
#include <sched.h>

#include <cerrno>
#include <system_error>
#include <thread>

#include "base/fd.h"
#include "kernel/clsact.h"
#include "kernel/object_file.h"
#include "kernel/programs.h"
#include "kernel/tcx.h"

namespace lk {

namespace {

Probe probe_load(const EmbeddedObject &embedded) {
    const auto object = load_object(embedded, "");
    return object ? Probe::ok() : Probe::no(object.error().message);
}

std::string text_of(int error) {
    return std::generic_category().message(error);
}

// Attaches to the loopback of a network namespace that ends with its thread.
void probe_hooks(int program, KernelProbes &probes) {
    constexpr int loopback = 1;
    std::thread([&] {
        if (::unshare(CLONE_NEWNET) != 0) {
            probes.tcx = probes.clsact = Probe::no("no network namespace to try it in: " + text_of(errno));
            return;
        }
        const int link = tcx::create_link(program, loopback);
        const Fd owned{link};
        if (link >= 0)
            probes.tcx = Probe::ok();
        else
            probes.tcx = Probe::no(link == -EINVAL ? "this kernel has none (Linux 6.6)" : text_of(-link));
        const auto attached = attach_clsact(loopback, program, [] { return Result<void>(); });
        probes.clsact = attached ? Probe::ok() : Probe::no(attached.error().message);
    }).join();
}

} // namespace

Probe probe_tunnel() {
    return probe_load(tunnel_object());
}

KernelProbes probe_kernel() {
    KernelProbes probes;
    const auto objects = embedded_objects();
    const auto &uplink_object = objects.at(0), &socket_object = objects.at(1);
    if (const auto uplink = load_object(uplink_object, "")) {
        probes.uplink = Probe::ok();
        const bpf_program *program = bpf_object__find_program_by_name(uplink->get(), uplink_program);
        probe_hooks(bpf_program__fd(program), probes);
    } else {
        probes.uplink = Probe::no(uplink.error().message);
        probes.tcx = probes.clsact = Probe::no("the filter's program does not load");
    }
    probes.sockets = probe_load(socket_object);
    probes.tunnel = probe_tunnel();
    probes.serve = probe_load(serve_object());
    probes.gate = probe_load(gate_object());
    probes.gate_cgroup = probe_load(gate_cgroup_object());
    probes.compat = probe_load(compat_object());
    probes.lsm = probe_load(lsm_object());
    return probes;
}

} // namespace lk
