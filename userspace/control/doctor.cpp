// SPDX-License-Identifier: MIT
#include "control/doctor.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "control/raw_senders.h"
#include "control/reconcile.h"
#include "control/resolved.h"
#include "control/scopes.h"
#include "kernel/chain.h"
#include "kernel/lsm_list.h"
#include "kernel/xdp.h"
#include "net/netns.h"

namespace lk {

namespace {

// Of this network namespace.
std::optional<PortRange> local_ports() {
    std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
    PortRange range;
    if (!(file >> range.first >> range.last)) return {};
    return range;
}

// What is there whatever is attached, but for the probes.
Findings look_around() {
    Findings findings;
    utsname name{};
    if (::uname(&name) == 0) {
        findings.kernel = name.release;
        findings.machine = name.machine;
    }
    findings.security_modules = active_lsms();
    findings.netconsole = netconsole_targets();
    findings.local_ports = local_ports();
    return findings;
}

// HOOKS: ours that are there.
std::vector<UplinkFacts> uplink_facts(const Topology &topology, const std::vector<int> &uplinks,
                                      const std::vector<UplinkHook> &hooks) {
    std::vector<UplinkFacts> facts;
    for (const int ifindex : uplinks) {
        const Device *device = topology.find(ifindex);
        if (!device) continue;
        UplinkFacts fact{device->name, false, Attachment::none, {}, device_facts(device->name, ifindex)};
        fact.device.xdp = xdp_on(ifindex);
        const auto ours = std::ranges::find_if(
            hooks, [ifindex](const UplinkHook &hook) { return hook.ifindex == ifindex && hook.ours_alive; });
        if (ours != hooks.end()) {
            fact.guarded = true;
            fact.attachment = ours->attachment;
            fact.ahead = ours->ahead;
        } else {
            UplinkHook nobody{ifindex, Attachment::none, 0, false, {}, {}};
            if (read_chain(nobody)) fact.ahead = nobody.ahead;
        }
        facts.push_back(std::move(fact));
    }
    return facts;
}

std::vector<int> uplinks_of(const Topology &topology) {
    std::vector<int> result;
    const auto classes = classify(topology, {});
    for (std::size_t i = 0; i < topology.devices.size(); ++i)
        if (classes[i] == DeviceClass::uplink ||
            (topology.devices[i].default_route && classes[i] != DeviceClass::tunnel))
            for (const int ifindex : lowest(topology, classes, topology.devices[i].ifindex))
                if (std::ranges::find(result, ifindex) == result.end()) result.push_back(ifindex);
    std::ranges::sort(result);
    return result;
}

Result<void> add_state(const Place &place, const Topology &topology, Findings &findings) {
    auto found = State::find(place);
    if (!found) return found.error();
    if (!*found) {
        findings.uplinks = uplink_facts(topology, uplinks_of(topology), {});
        return {};
    }
    const State &state = **found;
    findings.attached = true;
    auto hooks = state.uplink_hooks();
    if (!hooks) return hooks.error();
    std::vector<int> uplinks = uplinks_of(topology);
    if (const auto document = state.document()) {
        const auto built = build_image(hold_guarded(*document, topology, *hooks), topology);
        for (const int ifindex : built.uplinks) {
            if (!alive_on(*hooks, ifindex)) findings.bare.push_back(device_name(topology, ifindex));
            if (std::ranges::find(uplinks, ifindex) == uplinks.end()) uplinks.push_back(ifindex);
        }
    }
    std::ranges::sort(uplinks);
    findings.uplinks = uplink_facts(topology, uplinks, *hooks);
    auto sockets = state.cgroup_hooks();
    if (!sockets) return sockets.error();
    findings.socket_hooks_alive = std::ranges::all_of(*sockets, &CgroupHook::alive);
    auto guards = state.guard_hooks();
    if (!guards) return guards.error();
    findings.guards = *std::move(guards);
    return {};
}

} // namespace

Result<Diagnosis> diagnose(const std::string &bpffs, const std::string &cgroup_root_given) {
    if (::geteuid() != 0)
        return Error{Exit::permission, "what the kernel takes is found out by loading it: run this as root"};
    Findings findings = look_around();
    findings.cgroups = cgroup_layout();
    findings.resolved = read_resolved();
    findings.raw_senders = raw_senders();
    findings.probes = probe_kernel();
    Place place{.bpffs = bpffs, .cgroup_root = {}, .netns_cookie = 0};
    if (auto root = cgroup_root(cgroup_root_given))
        place.cgroup_root = *root;
    else if (root.error().exit == Exit::bad_input)
        return root.error();
    else
        findings.no_cgroup_root = root.error().message;
    if (auto good = check_bpffs(bpffs); !good) findings.no_bpffs = good.error().message;
    auto topology = read_topology();
    if (!topology) return topology.error();
    const auto cookie = netns_cookie();
    if (cookie && findings.no_bpffs.empty()) {
        place.netns_cookie = *cookie;
        if (auto added = add_state(place, *topology, findings); !added) return added.error();
    } else {
        if (!cookie) findings.no_bpffs = cookie.error().message;
        findings.uplinks = uplink_facts(*topology, uplinks_of(*topology), {});
    }
    Report report = report_on(findings);
    return Diagnosis{std::move(findings), std::move(report)};
}

Findings foresee(const Site &site, const Topology &topology, const std::vector<int> &uplinks) {
    Findings findings = look_around();
    findings.probes = probe_kernel();
    std::vector<UplinkHook> hooks;
    if (auto state = State::find(site.place); state && *state)
        if (auto found = (*state)->uplink_hooks()) hooks = *std::move(found);
    findings.uplinks = uplink_facts(topology, uplinks, hooks);
    return findings;
}

Result<Findings> given(const State &state, const Topology &topology, const Built &built,
                       const std::vector<GuardHook> &guards) {
    Findings findings = look_around();
    findings.attached = true;
    findings.guards = guards;
    auto hooks = state.uplink_hooks();
    if (!hooks) return hooks.error();
    findings.uplinks = uplink_facts(topology, built.uplinks, *hooks);
    for (const int ifindex : built.uplinks)
        if (!alive_on(*hooks, ifindex)) findings.bare.push_back(device_name(topology, ifindex));
    auto sockets = state.cgroup_hooks();
    if (!sockets) return sockets.error();
    findings.socket_hooks_alive = std::ranges::all_of(*sockets, &CgroupHook::alive);
    // What hangs there was loaded.
    auto &probes = findings.probes;
    probes.uplink = probes.clsact = probes.sockets = Probe::ok();
    probes.tcx = std::ranges::all_of(*hooks,
                                     [](const UplinkHook &hook) {
                                         return !hook.ours_alive || hook.attachment == Attachment::tcx;
                                     })
                     ? Probe::ok()
                     : Probe::no("an uplink is guarded at clsact");
    for (const GuardHook &guard : guards) {
        const Probe probe = guard.alive ? Probe::ok() : Probe::no(guard.why_not);
        (guard.name == "compat" ? probes.compat : probes.lsm) = probe;
    }
    return findings;
}

} // namespace lk
