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

void try_load(const EmbeddedObject &embedded, Probe &probe) {
    if (!probe.works) probe = probe_load(embedded);
}

void try_uplink(const EmbeddedObject &embedded, KernelProbes &probes) {
    if (const auto uplink = load_object(embedded, "")) {
        probes.uplink = Probe::ok();
        const bpf_program *program = bpf_object__find_program_by_name(uplink->get(), uplink_program);
        probe_hooks(bpf_program__fd(program), probes);
    } else {
        probes.uplink = Probe::no(uplink.error().message);
        probes.tcx = probes.clsact = Probe::no("the filter's program does not load");
    }
}

} // namespace

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
        // Namespaces end when the kernel gets to it, and until then the program would be held.
        (void)detach_clsact(loopback, [](const TcObject &) { return true; });
    }).join();
}

KernelProbes probe_kernel(const KernelProbes &known) {
    KernelProbes probes = known;
    const auto objects = embedded_objects();
    if (!probes.uplink.works) try_uplink(objects.at(0), probes);
    try_load(objects.at(1), probes.sockets);
    try_load(tunnel_object(), probes.tunnel);
    try_load(serve_object(), probes.serve);
    try_load(gate_object(), probes.gate);
    try_load(gate_cgroup_object(), probes.gate_cgroup);
    try_load(compat_object(), probes.compat);
    try_load(lsm_object(), probes.lsm);
    return probes;
}

} // namespace lk
