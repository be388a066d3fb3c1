// SPDX-License-Identifier: MIT
#include "control/doctor.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/boot_clock.h"
#include "control/raw_senders.h"
#include "control/reconcile.h"
#include "control/resolved.h"
#include "control/scopes.h"
#include "image/build_scopes.h"
#include "kernel/chain.h"
#include "kernel/lsm_list.h"
#include "kernel/xdp.h"
#include "net/netns.h"

namespace lk {

namespace {

// Of this network namespace.
std::optional<LocalPorts> local_ports() {
    std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
    LocalPorts ports;
    if (!(file >> ports.range.first >> ports.range.last)) return {};
    std::ifstream list("/proc/sys/net/ipv4/ip_local_reserved_ports"); // "80,61000-65095"
    for (PortRange kept; list >> kept.first; list.ignore()) {
        kept.last = kept.first;
        if (list.peek() == '-' && !(list.ignore() >> kept.last)) break;
        ports.reserved.push_back(kept);
    }
    return ports;
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

// Into FINDINGS' uplinks and what is on other devices. HOOKS: ours that are there.
void look_at_devices(const Topology &topology, const std::vector<int> &uplinks,
                     const std::vector<UplinkHook> &hooks, Findings &findings) {
    std::vector<UplinkFacts> &facts = findings.uplinks;
    const auto sockets = xdp_sockets();
    findings.xdp_sockets_listed = sockets.has_value();
    for (const Device &device : topology.devices)
        if (std::ranges::find(uplinks, device.ifindex) == uplinks.end())
            if (const std::string xdp = xdp_on(device.ifindex); !xdp.empty())
                findings.xdp_elsewhere.push_back(fmt::format("{}: XDP {}", device.name, xdp));
    for (const int ifindex : uplinks) {
        const Device *device = topology.find(ifindex);
        if (!device) continue;
        UplinkFacts fact{device->name, false, Attachment::none, {}, device_facts(device->name, ifindex)};
        fact.device.xdp = xdp_on(ifindex);
        if (sockets)
            if (const auto bound = sockets->find(ifindex); bound != sockets->end())
                fact.device.xdp_sockets = bound->second;
        const auto ours = std::ranges::find_if(
            hooks, [ifindex](const UplinkHook &hook) { return hook.ifindex == ifindex && hook.ours_alive; });
        if (ours != hooks.end()) {
            fact.guarded = true;
            fact.attachment = ours->attachment;
            fact.ahead = ours->ahead;
        } else {
            UplinkHook nobody{ifindex, Attachment::none, 0, false, {}, {}};
            if (read_chain(nobody)) {
                fact.others = fact.ahead = nobody.ahead;
                fact.others.insert(fact.others.end(), nobody.behind.begin(), nobody.behind.end());
            }
        }
        facts.push_back(std::move(fact));
    }
}

constexpr const char *takes_in_none =
    "no scope takes uplinks in that appear later (--only), so there is no second gate";

// Of a document that is in force and what was built from it.
void look_at_document(const State &state, const Topology &topology, const Document &document,
                      const Built &built, Findings &findings) {
    findings.dns = dns_lacks(document, built, boot_clock_ns());
    for (const int ifindex : built.tunnels)
        if (!state.tunnel_alive(ifindex)) findings.deaf_tunnels.push_back(device_name(topology, ifindex));
    for (const int ifindex : serving(built.image))
        if (!state.serve_alive(ifindex)) findings.deaf_services.push_back(device_name(topology, ifindex));
    findings.gate = state.gate();
    if (taking_scope(document) == no_scope) findings.no_gate = takes_in_none;
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
        look_at_devices(topology, uplinks_of(topology), {}, findings);
        return {};
    }
    const State &state = **found;
    findings.attached = true;
    auto hooks = state.uplink_hooks();
    if (!hooks) return hooks.error();
    std::vector<int> uplinks = uplinks_of(topology);
    const auto document = state.document();
    if (!document)
        findings.unknown_policy =
            "the policy in force cannot be read (" + document.error().message + "): attach again";
    else if (state.epoch() == 0)
        findings.unknown_policy = "no policy is in force: attach again";
    else {
        const auto built = build_image(hold_guarded(*document, topology, *hooks), topology);
        for (const int ifindex : built.uplinks) {
            if (!alive_on(*hooks, ifindex)) findings.bare.push_back(device_name(topology, ifindex));
            if (std::ranges::find(uplinks, ifindex) == uplinks.end()) uplinks.push_back(ifindex);
        }
        look_at_document(state, topology, *document, built, findings);
    }
    for (const UplinkHook &hook : *hooks) // whatever the policy says of it
        if (hook.ours_alive && std::ranges::find(uplinks, hook.ifindex) == uplinks.end())
            uplinks.push_back(hook.ifindex);
    std::ranges::sort(uplinks);
    look_at_devices(topology, uplinks, *hooks, findings);
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
        look_at_devices(*topology, uplinks_of(*topology), {}, findings);
    }
    Report report = report_on(findings);
    return Diagnosis{std::move(findings), std::move(report)};
}

Findings foresee(const Site &site, const Topology &topology, const Plan &plan, bool follow,
                 const std::vector<Guarantee> &wanted) {
    Findings findings = look_around();
    std::vector<UplinkHook> hooks;
    KernelProbes known;
    bool gated = false;
    if (auto state = State::find(site.place); state && *state) {
        if (auto found = (*state)->uplink_hooks()) hooks = *std::move(found);
        gated = (*state)->gate_pinned();
        known = (*state)->known_probes();
    }
    leave_out_unasked(known, wanted);
    findings.probes = probe_kernel(known);
    look_at_devices(topology, plan.built.uplinks, hooks, findings);
    findings.dns = dns_lacks(plan.document, plan.built, boot_clock_ns());
    if (taking_scope(plan.document) == no_scope)
        findings.no_gate = takes_in_none;
    else if (!follow && !gated)
        findings.no_gate =
            "with --no-follow nobody puts the second gate on: leave it out, or run leakbpf follow";
    return findings;
}

Result<Findings> given(State &state, const Topology &topology, const Document &document, const Built &built,
                       const std::vector<GuardHook> &guards, const std::vector<Guarantee> &wanted) {
    Findings findings = look_around();
    findings.attached = true;
    findings.guards = guards;
    auto hooks = state.uplink_hooks();
    if (!hooks) return hooks.error();
    look_at_devices(topology, built.uplinks, *hooks, findings);
    look_at_document(state, topology, document, built, findings);
    for (const int ifindex : built.uplinks)
        if (!alive_on(*hooks, ifindex)) findings.bare.push_back(device_name(topology, ifindex));
    auto sockets = state.cgroup_hooks();
    if (!sockets) return sockets.error();
    findings.socket_hooks_alive = std::ranges::all_of(*sockets, &CgroupHook::alive);
    // What hangs there was loaded.
    auto &probes = findings.probes;
    probes.uplink = probes.clsact = probes.sockets = probes.serve = Probe::ok();
    // Unless there is no tunnel yet: who asks for answers wants to know before it is there. To others nothing
    // is promised until it is.
    const bool tunnel_runs =
        std::ranges::any_of(built.tunnels, [&state](int ifindex) { return state.tunnel_alive(ifindex); });
    const bool has_resolver = std::ranges::any_of(
        document.scopes, [](const Scope &scope) { return !scope.policy.resolvers.empty(); });
    const bool promised = std::ranges::find(wanted, Guarantee::dns) != wanted.end() ||
                          (findings.dns.always.empty() && findings.dns.until_tunnel.empty());
    probes.tunnel = Probe::ok();
    if (has_resolver && !tunnel_runs && promised)
        if (const Result<void> loaded = state.load_tunnel_programs(); !loaded)
            probes.tunnel = Probe::no(loaded.error().message);
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
