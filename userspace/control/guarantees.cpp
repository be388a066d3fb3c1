// SPDX-License-Identifier: MIT
#include "control/guarantees.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <sstream>

#include "base/text.h"
#include "control/scopes.h"
#include "leakbpf/abi.h"

namespace lk {

namespace {

struct Words {
    std::string_view name, promise;
};
constexpr std::array<Words, guarantee_count> words{{
    {"uplink", "whatever leaves by a guarded uplink is judged"},
    {"tcx", "the filter is a link of its own at the head of the device, which no qdisc takes with it"},
    {"first", "no program of others runs before the filter"},
    {"no-detour", "no XDP program, AF_XDP socket, netconsole target or hardware offload is seen that sends "
                  "below the filter"},
    {"identity", "the VPN daemon is known by a mark that the kernel wrote when it made the socket"},
    {"dns", "DNS queries go to the VPN's resolver by a tunnel, and answers come back by it"},
    {"bypass-guard", "PACKET_QDISC_BYPASS and AF_XDP, which send below the filter, are refused"},
    {"compat-guard", "that holds for 32-bit system calls too"},
    {"lsm", "packet sockets can be locked, and nobody but leakbpf detaches its links"},
    {"second-gate", "what is sent or forwarded by an uplink that appears is judged before it has its filter"},
    {"serve", "who asks a service of --serve by a guarded uplink is seen, and so answered"},
}};
static_assert(words.back().name == "serve" &&
              static_cast<std::size_t>(Guarantee::serve) + 1 == guarantee_count);

std::vector<Guarantee> every() {
    std::vector<Guarantee> result;
    for (std::size_t i = 0; i < guarantee_count; ++i)
        result.push_back(static_cast<Guarantee>(i));
    return result;
}

Result<std::vector<Guarantee>> parse_one(const std::string &word) {
    using enum Guarantee;
    if (word == "all") return every();
    if (word == "strict") return std::vector{uplink, first, identity, bypass_guard, compat_guard};
    for (const Guarantee guarantee : every())
        if (word == to_string(guarantee)) return std::vector{guarantee};
    std::vector<std::string_view> names;
    for (const Words &each : words)
        names.push_back(each.name);
    return bad_input(fmt::format("there is no guarantee {}; expected strict, all, or of: {}", quote(word),
                                 fmt::join(names, ", ")));
}

// Why a guarantee does not hold: empty, it does.
using Why = std::string;

// What libbpf said is for doctor's table of what was tried.
Why of_probe(const Probe &probe, std::string_view what) {
    return probe.works
               ? Why()
               : fmt::format("{}: {}", what, probe.why_not.substr(0, probe.why_not.find(" (libbpf: ")));
}

bool guard_alive(const Findings &findings, std::string_view name) {
    return std::ranges::any_of(findings.guards,
                               [name](const GuardHook &hook) { return hook.name == name && hook.alive; });
}

Why why_not_uplink(const Findings &findings) {
    if (auto why = of_probe(findings.probes.uplink, "the filter's program does not load"); !why.empty())
        return why;
    if (!findings.no_bpffs.empty()) return findings.no_bpffs;
    if (!findings.unknown_policy.empty()) return findings.unknown_policy;
    if (!findings.probes.tcx.works && !findings.probes.clsact.works)
        return fmt::format("neither tcx ({}) nor clsact ({}) takes it", findings.probes.tcx.why_not,
                           findings.probes.clsact.why_not);
    if (!findings.bare.empty())
        return fmt::format("{} is to be guarded and has no living hook: attach again",
                           fmt::join(findings.bare, ", "));
    return {};
}

Why why_not_tcx(const Findings &findings) {
    if (auto why = of_probe(findings.probes.tcx, "no tcx"); !why.empty()) return why;
    for (const UplinkFacts &uplink : findings.uplinks)
        if (uplink.guarded && uplink.attachment != Attachment::tcx)
            return fmt::format("{} is guarded at clsact, as --hook asked for", uplink.name);
    return {};
}

Why why_not_first(const Findings &findings) {
    std::vector<std::string> ahead;
    for (const UplinkFacts &uplink : findings.uplinks)
        // tcx puts ours before whatever is there.
        if (uplink.guarded || !findings.probes.tcx.works)
            for (const std::string &program : uplink.ahead)
                ahead.push_back(fmt::format("{}: {}", uplink.name, program));
    if (ahead.empty()) return {};
    return fmt::format("can let packets past the filter: {}", fmt::join(ahead, ", "));
}

Why why_not_no_detour(const Findings &findings) {
    std::vector<std::string> detours;
    for (const UplinkFacts &uplink : findings.uplinks) {
        if (!uplink.device.xdp.empty())
            detours.push_back(
                fmt::format("{}: XDP {} can answer below the filter", uplink.name, uplink.device.xdp));
        if (uplink.device.xdp_sockets)
            detours.push_back(fmt::format("{}: {} AF_XDP socket{} bound to it already, and may send below "
                                          "the filter: end the program (ss --xdp -p)",
                                          uplink.name, uplink.device.xdp_sockets,
                                          uplink.device.xdp_sockets == 1 ? " is" : "s are"));
        if (uplink.device.tc_offload)
            detours.push_back(fmt::format("{}: hw-tc-offload is on, the hardware may forward by itself "
                                          "(ethtool -K {} hw-tc-offload off)",
                                          uplink.name, uplink.name));
        if (!uplink.device.switch_id.empty())
            detours.push_back(fmt::format(
                "{}: it is a port of a hardware switch, which may forward by itself", uplink.name));
    }
    for (const std::string &program : findings.xdp_elsewhere)
        detours.push_back(fmt::format("{} can redirect past the filter", program));
    for (const std::string &target : findings.netconsole)
        detours.push_back(fmt::format("netconsole sends kernel messages in the clear ({})", target));
    return detours.empty() ? Why() : fmt::format("{}", fmt::join(detours, "; "));
}

Why why_not_sockets(const Findings &findings) {
    if (auto why = of_probe(findings.probes.sockets, "the socket hooks do not load"); !why.empty())
        return why;
    if (!findings.no_cgroup_root.empty()) return findings.no_cgroup_root;
    if (findings.attached && !findings.socket_hooks_alive)
        return "a socket hook is missing: leakbpf status names it, attach again";
    return {};
}

// Whatever tunnels come up.
Why why_never_dns(const Findings &findings) {
    if (auto why = why_not_sockets(findings); !why.empty()) return why;
    if (auto why = of_probe(findings.probes.tunnel, "the tunnels' programs do not load"); !why.empty())
        return why;
    if (!findings.unknown_policy.empty()) return findings.unknown_policy;
    if (!findings.dns.always.empty()) return fmt::format("{}", fmt::join(findings.dns.always, "; "));
    if (!findings.deaf_tunnels.empty())
        return fmt::format("the hooks by which answers come back are missing on the tunnel {}: leakbpf "
                           "status shows it, attach again",
                           fmt::join(findings.deaf_tunnels, ", "));
    return {};
}

Why why_not_dns(const Findings &findings) {
    if (auto why = why_never_dns(findings); !why.empty()) return why;
    return fmt::format("{}", fmt::join(findings.dns.until_tunnel, "; "));
}

Why why_not_second_gate(const Findings &findings) {
    constexpr std::string_view weaker = "weaker here: what sockets send is held, and what is forwarded is "
                                        "not (that takes Linux 6.4 with BTF)";
    if (!findings.unknown_policy.empty()) return findings.unknown_policy;
    if (!findings.no_gate.empty()) return findings.no_gate;
    if (findings.attached) {
        switch (findings.gate) {
        case GateKind::netfilter: return {};
        case GateKind::cgroup: return std::string(weaker);
        case GateKind::none: return "it is not there: leakbpf follow puts it on";
        }
    }
    if (findings.probes.gate.works) return {};
    if (!findings.no_cgroup_root.empty()) return findings.no_cgroup_root;
    if (findings.probes.gate_cgroup.works) return std::string(weaker);
    return of_probe(findings.probes.gate_cgroup, "its programs do not load");
}

Why why_not_serve(const Findings &findings) {
    if (auto why = of_probe(findings.probes.serve, "the program that sees who asks does not load");
        !why.empty())
        return why;
    if (!findings.unknown_policy.empty()) return findings.unknown_policy;
    if (!findings.deaf_services.empty())
        return fmt::format("the hook that sees who asks the services of --serve is missing on {}, so "
                           "nobody new is answered there: attach again",
                           fmt::join(findings.deaf_services, ", "));
    return {};
}

Why why_not_compat(const Findings &findings) {
    if (auto why = why_not_sockets(findings); !why.empty()) return why;
    if (auto why = of_probe(findings.probes.compat, "the guard for 32-bit system calls does not load");
        !why.empty())
        return why;
    if (findings.attached && !guard_alive(findings, "compat"))
        return "the guard for 32-bit system calls is not attached: attach again";
    return {};
}

Why why_not_lsm(const Findings &findings) {
    const auto &modules = findings.security_modules;
    if (!modules) return "which security modules are active cannot be read";
    if (std::ranges::find(*modules, "bpf") == modules->end())
        return fmt::format("bpf is not among the active security modules ({}), so the programs would load "
                           "and never be called: boot with lsm={}bpf",
                           fmt::join(*modules, ","),
                           modules->empty() ? "" : fmt::format("{},", fmt::join(*modules, ",")));
    if (auto why = of_probe(findings.probes.lsm, "the programs for security modules do not load");
        !why.empty())
        return why;
    if (findings.attached && (!guard_alive(findings, "sockets") || !guard_alive(findings, "links")))
        return "the programs for security modules are not attached: attach again";
    return {};
}

Why why_not(const Findings &findings, Guarantee guarantee) {
    switch (guarantee) {
    case Guarantee::uplink: return why_not_uplink(findings);
    case Guarantee::tcx: return why_not_tcx(findings);
    case Guarantee::first: return why_not_first(findings);
    case Guarantee::no_detour: return why_not_no_detour(findings);
    case Guarantee::identity:
    case Guarantee::bypass_guard: return why_not_sockets(findings);
    case Guarantee::dns: return why_not_dns(findings);
    case Guarantee::compat_guard: return why_not_compat(findings);
    case Guarantee::lsm: return why_not_lsm(findings);
    case Guarantee::second_gate: return why_not_second_gate(findings);
    case Guarantee::serve: return why_not_serve(findings);
    }
    return "unknown";
}

// "5.10.0-32-amd64" -> 5, 10; {0, 0} for what is no such text.
std::pair<int, int> version_of(const std::string &kernel) {
    std::istringstream text(kernel);
    int major = 0, minor = 0;
    char dot = 0;
    if (!(text >> major >> dot >> minor) || dot != '.') return {0, 0};
    return {major, minor};
}

void note_resolved(const ResolvedFacts &resolved, std::vector<std::string> &notes) {
    if (!resolved.running) return;
    const auto set = [&resolved](const char *key) {
        const auto found = resolved.settings.find(key);
        return found == resolved.settings.end() ? std::string() : found->second;
    };
    const auto off = [](const std::string &value) {
        return value.empty() || value == "no" || value == "false" || value == "0" || value == "off";
    };
    notes.emplace_back("systemd-resolved asks the servers of each link over that link: what it asks over a "
                       "guarded uplink is refused or goes to --dns, so give the tunnel's link the VPN's "
                       "resolver and the domain ~. (resolvectl dns, resolvectl domain)");
    if (!off(set("DNSOverTLS")))
        notes.push_back(fmt::format("systemd-resolved has DNSOverTLS={}: its queries to servers outside of "
                                    "the tunnel are refused, not rewritten",
                                    set("DNSOverTLS")));
    if (!off(set("LLMNR")))
        notes.push_back(fmt::format("systemd-resolved has LLMNR={}: these queries are refused unless "
                                    "--lan-names",
                                    set("LLMNR")));
    if (!set("FallbackDNS").empty())
        notes.push_back(fmt::format("systemd-resolved has FallbackDNS={}: refused or sent to --dns like any "
                                    "other",
                                    set("FallbackDNS")));
}

void note_local_ports(const std::optional<LocalPorts> &ports, std::vector<std::string> &notes) {
    constexpr unsigned first = LK_NAT_FIRST_PORT, last = first + LK_NAT_BUCKETS * LK_NAT_SLOTS - 1;
    if (!ports) return;
    unsigned port = std::max(first, ports->range.first);
    const unsigned end = std::min(last, ports->range.last);
    for (const auto &kept : ports->reserved)
        if (kept.first <= port && port <= kept.last) port = kept.last + 1;
    if (port > end) return;
    notes.push_back(fmt::format(
        "sockets get local ports from {} to {} (net.ipv4.ip_local_port_range), and DNS queries are sent on "
        "from {} to {}: a connected DNS socket that gets one of these may lose an answer and ask again; add "
        "{}-{} to net.ipv4.ip_local_reserved_ports",
        ports->range.first, ports->range.last, first, last, first, last));
}

std::vector<std::string> notes_on(const Findings &findings) {
    std::vector<std::string> notes;
    const auto version = version_of(findings.kernel);
    if (version != std::pair{0, 0} && version < std::pair{5, 15})
        notes.emplace_back("before Linux 5.15 the bypass-guard holds for the sockets of all network "
                           "namespaces");
    if (findings.machine != "x86_64" && findings.probes.compat.works)
        notes.push_back(fmt::format("on {} the compat-guard cannot tell who asks, and refuses the value 0 of "
                                    "PACKET_QDISC_BYPASS too",
                                    findings.machine));
    if (findings.cgroups.kind == CgroupLayout::Kind::hybrid && !findings.cgroups.v2_at.empty())
        notes.push_back(fmt::format("control groups are mounted in both versions: the socket hooks and "
                                    "--vpn-cgroup go by cgroup2, at {}",
                                    findings.cgroups.v2_at.front()));
    if (!findings.raw_senders.empty()) {
        constexpr std::size_t most = 8;
        std::vector<std::string> some(findings.raw_senders.begin(),
                                      findings.raw_senders.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                         findings.raw_senders.size(), most)));
        notes.push_back(fmt::format("{} processes here may make packet sockets (CAP_NET_RAW): {}{}",
                                    findings.raw_senders.size(), fmt::join(some, ", "),
                                    findings.raw_senders.size() > most ? ", ..." : ""));
    }
    if (!findings.xdp_sockets_listed)
        notes.emplace_back(
            "this kernel does not list AF_XDP sockets (CONFIG_XDP_SOCKETS_DIAG): the no-detour "
            "does not see one that is bound already");
    note_local_ports(findings.local_ports, notes);
    note_resolved(findings.resolved, notes);
    return notes;
}

template <typename Enough>
Result<void> require_if(const Report &report, const std::vector<Guarantee> &wanted, Enough enough) {
    std::vector<std::string> missing;
    for (const Guarantee guarantee : wanted)
        if (const Judgement &judgement = report.of(guarantee); !enough(judgement))
            missing.push_back(fmt::format("{} ({})", to_string(guarantee), judgement.why_not));
    if (missing.empty()) return {};
    return unsupported(fmt::format("required and not given here: {}", fmt::join(missing, "; ")));
}

} // namespace

std::string_view to_string(Guarantee guarantee) {
    return words[static_cast<std::size_t>(guarantee)].name;
}

std::string_view promise(Guarantee guarantee) {
    return words[static_cast<std::size_t>(guarantee)].promise;
}

Result<std::vector<Guarantee>> parse_guarantees(const std::vector<std::string> &words_given) {
    std::vector<Guarantee> result;
    for (const std::string &list : words_given) {
        std::istringstream parts(list + ',');
        for (std::string word; std::getline(parts, word, ',');) {
            auto some = parse_one(word);
            if (!some) return some.error();
            result.insert(result.end(), some->begin(), some->end());
        }
    }
    std::ranges::sort(result);
    result.erase(std::unique(result.begin(), result.end()), result.end());
    return result;
}

const Judgement &Report::of(Guarantee guarantee) const {
    return guarantees.at(static_cast<std::size_t>(guarantee));
}

Report report_on(const Findings &findings) {
    Report report;
    for (const Guarantee guarantee : every()) {
        auto why = why_not(findings, guarantee);
        const bool holds = why.empty();
        const bool comes = guarantee == Guarantee::dns && !holds && why_never_dns(findings).empty();
        report.guarantees.push_back({guarantee, holds, std::move(why), comes});
    }
    report.notes = notes_on(findings);
    return report;
}

void leave_out_unasked(KernelProbes &known, const std::vector<Guarantee> &wanted) {
    using enum Guarantee;
    const auto unless = [&wanted](std::initializer_list<Guarantee> rest_on_it, Probe &probe) {
        if (std::ranges::find_first_of(rest_on_it, wanted) == rest_on_it.end()) probe = Probe::ok();
    };
    unless({identity, bypass_guard, compat_guard, dns}, known.sockets);
    unless({dns}, known.tunnel);
    unless({serve}, known.serve);
    unless({second_gate}, known.gate);
    unless({second_gate}, known.gate_cgroup);
    unless({compat_guard}, known.compat);
    unless({lsm}, known.lsm);
    if (known.gate.works) known.gate_cgroup = Probe::ok(); // which is for kernels without
}

Result<void> require(const Report &report, const std::vector<Guarantee> &wanted) {
    return require_if(report, wanted, [](const Judgement &judgement) { return judgement.holds; });
}

Result<void> require_to_attach(const Report &report, const std::vector<Guarantee> &wanted) {
    return require_if(report, wanted,
                      [](const Judgement &judgement) { return judgement.holds || judgement.comes; });
}

} // namespace lk
