// SPDX-License-Identifier: MIT
// What doctor and attach found out about this machine, as values: guarantees.h judges them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/control.h"
#include "control/dns_promise.h"
#include "kernel/probe.h"
#include "net/cgroup_layout.h"
#include "net/device_facts.h"

namespace lk {

struct UplinkFacts {
    std::string name;
    bool guarded = false; // by our living hook
    Attachment attachment = Attachment::none;
    std::vector<std::string> ahead; // programs of others that run before ours, or would
    DeviceFacts device;
    std::vector<std::string> others = {}; // on an unguarded one: all programs that are there
};

struct ResolvedFacts {
    bool running = false;
    std::map<std::string, std::string> settings; // of [Resolve], as configured; unset ones are missing
};

struct PortRange {
    unsigned first = 0, last = 0;
};

// Those that sockets get by themselves: of a range, but for the reserved ones, which the kernel lists in
// order.
struct LocalPorts {
    PortRange range;
    std::vector<PortRange> reserved;
};

struct Findings {
    std::string kernel;  // "6.1.0-50-amd64"
    std::string machine; // "x86_64"
    KernelProbes probes;
    std::optional<std::vector<std::string>> security_modules; // none: cannot be read
    CgroupLayout cgroups;
    std::string no_cgroup_root; // why the socket hooks have no place; empty: they have
    std::string no_bpffs;       // likewise for the pins
    std::vector<UplinkFacts> uplinks;
    std::vector<std::string> netconsole;    // "target1 on eth0"
    std::vector<std::string> xdp_elsewhere; // "veth3: XDP program 17 ...": on what is no uplink
    bool xdp_sockets_listed = true;         // by this kernel
    ResolvedFacts resolved;
    std::vector<std::string> raw_senders;   // "dhclient (pid 812)": CAP_NET_RAW here
    std::optional<LocalPorts> local_ports;  // none: cannot be read
    DnsLacks dns;                           // of the policy that is, or would be
    std::string no_gate;                    // why there can be no second gate, whatever the kernel takes
    bool attached = false;                  // then the next ones say what there is
    std::string unknown_policy;             // why nobody can say what is to hold; empty: it is known
    std::vector<GuardHook> guards;          // alive or not
    bool socket_hooks_alive = false;        // all of them
    std::vector<std::string> bare;          // uplinks to be guarded without a living hook
    std::vector<std::string> deaf_tunnels;  // to a resolver, without our living hooks
    std::vector<std::string> deaf_services; // uplinks with services, without the hook that sees who asks
    GateKind gate = GateKind::none;
};

} // namespace lk
