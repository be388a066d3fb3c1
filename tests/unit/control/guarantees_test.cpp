// SPDX-License-Identifier: MIT
#include "control/guarantees.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lk {
namespace {

using enum Guarantee;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A kernel that takes everything, nothing attached, one uplink that nobody else looks at.
Findings well() {
    Findings findings;
    findings.kernel = "6.12.1-amd64";
    findings.machine = "x86_64";
    for (Probe *probe :
         {&findings.probes.uplink, &findings.probes.tcx, &findings.probes.clsact, &findings.probes.sockets,
          &findings.probes.tunnel, &findings.probes.gate, &findings.probes.gate_cgroup,
          &findings.probes.compat, &findings.probes.lsm, &findings.probes.serve})
        *probe = Probe::ok();
    findings.security_modules = {"lockdown", "capability", "bpf"};
    findings.cgroups = {CgroupLayout::Kind::v2, {"/sys/fs/cgroup"}};
    findings.uplinks.push_back({"eth0", false, Attachment::none, {}, {}});
    return findings;
}

Findings attached() {
    Findings findings = well();
    findings.attached = true;
    findings.socket_hooks_alive = true;
    findings.uplinks[0].guarded = true;
    findings.uplinks[0].attachment = Attachment::tcx;
    findings.guards = {{"compat", true, ""}, {"sockets", true, ""}, {"links", true, ""}};
    findings.gate = GateKind::netfilter;
    return findings;
}

// Names of those that do not hold.
std::vector<std::string> missing(const Findings &findings) {
    std::vector<std::string> names;
    for (const Judgement &judgement : report_on(findings).guarantees) {
        EXPECT_EQ(judgement.holds, judgement.why_not.empty());
        if (!judgement.holds) names.emplace_back(to_string(judgement.guarantee));
    }
    return names;
}

std::string why_not(const Findings &findings, Guarantee guarantee) {
    return report_on(findings).of(guarantee).why_not;
}

// What is not tried for a guarantee changes nothing that is said of it.
TEST(Guarantees, WhatIsLeftOutIsNotWhatTheyRestOn) {
    Probe KernelProbes::*const probes[] = {
        &KernelProbes::sockets,     &KernelProbes::tunnel, &KernelProbes::serve, &KernelProbes::gate,
        &KernelProbes::gate_cgroup, &KernelProbes::compat, &KernelProbes::lsm};
    unsigned left_out = 0, tried = 0;
    for (const auto &judgement : report_on(well()).guarantees)
        for (const bool gate : {true, false})
            for (const auto probe : probes) {
                KernelProbes known;
                if (gate) known.gate = Probe::ok();
                leave_out_unasked(known, {judgement.guarantee});
                EXPECT_FALSE(known.uplink.works);
                Findings with = well(), without = well();
                if (!gate) with.probes.gate = without.probes.gate = Probe::no("refused");
                without.probes.*probe = Probe::no("refused");
                const bool matters =
                    why_not(with, judgement.guarantee) != why_not(without, judgement.guarantee);
                EXPECT_TRUE(!matters || (known.*probe).works == (probe == &KernelProbes::gate && gate));
                ++((known.*probe).works ? left_out : tried);
            }
    EXPECT_GT(left_out, tried);
    EXPECT_GT(tried, 10u);
}

TEST(Guarantees, AllHoldWhereAllIsWell) {
    EXPECT_THAT(missing(well()), IsEmpty());
    EXPECT_THAT(missing(attached()), IsEmpty());
    EXPECT_THAT(report_on(well()).notes, IsEmpty());
    EXPECT_EQ(report_on(well()).guarantees.size(), guarantee_count);
}

TEST(Guarantees, WithoutTcx) {
    Findings findings = well();
    findings.probes.tcx = Probe::no("this kernel has none (Linux 6.6)");
    EXPECT_THAT(missing(findings), ElementsAre("tcx"));
    // Somebody who is there already stays ahead at clsact only.
    findings.uplinks[0].ahead = {"clsact pref 1 program 7 \"other\""};
    EXPECT_THAT(missing(findings), ElementsAre("tcx", "first"));
    EXPECT_THAT(why_not(findings, first), HasSubstr("eth0: clsact pref 1"));
    findings.probes.tcx = Probe::ok();
    EXPECT_THAT(missing(findings), IsEmpty());
}

TEST(Guarantees, WithoutAnyHook) {
    Findings findings = well();
    findings.probes.tcx = findings.probes.clsact = Probe::no("no");
    EXPECT_THAT(missing(findings), ElementsAre("uplink", "tcx"));
    findings = well();
    findings.no_bpffs = "no bpffs";
    EXPECT_THAT(missing(findings), ElementsAre("uplink"));
    findings = attached();
    findings.bare = {"eth0"};
    EXPECT_THAT(missing(findings), ElementsAre("uplink"));
}

TEST(Guarantees, WhatIsAttachedCounts) {
    Findings findings = attached();
    findings.uplinks[0].ahead = {"tcx program 7 \"other\""};
    EXPECT_THAT(missing(findings), ElementsAre("first"));
    findings = attached();
    findings.uplinks[0].attachment = Attachment::clsact;
    EXPECT_THAT(missing(findings), ElementsAre("tcx"));
    findings = attached();
    findings.socket_hooks_alive = false;
    EXPECT_THAT(missing(findings), ElementsAre("identity", "dns", "bypass-guard", "compat-guard"));
    findings = attached();
    findings.guards[0].alive = false;
    EXPECT_THAT(missing(findings), ElementsAre("compat-guard"));
    findings = attached();
    findings.guards[2].alive = false;
    EXPECT_THAT(missing(findings), ElementsAre("lsm"));
}

TEST(Guarantees, APolicyThatCannotBeReadPromisesNothing) {
    Findings findings = attached();
    findings.unknown_policy = "the policy in force cannot be read (half of it): attach again";
    EXPECT_THAT(missing(findings), ElementsAre("uplink", "dns", "second-gate", "serve"));
    for (const Guarantee each : {uplink, dns, second_gate, serve})
        EXPECT_EQ(why_not(findings, each), findings.unknown_policy);
}

TEST(Guarantees, WithoutSocketHooks) {
    Findings findings = well();
    findings.no_cgroup_root = "this is a cgroup namespace";
    EXPECT_THAT(missing(findings), ElementsAre("identity", "dns", "bypass-guard", "compat-guard"));
    EXPECT_EQ(why_not(findings, identity), findings.no_cgroup_root);
}

TEST(Guarantees, TheSecondGate) {
    Findings findings = well();
    findings.probes.gate = Probe::no("no such hook");
    EXPECT_THAT(missing(findings), ElementsAre("second-gate"));
    EXPECT_THAT(why_not(findings, second_gate), HasSubstr("what is forwarded is not"));
    findings.probes.gate_cgroup = Probe::no("nor this");
    EXPECT_THAT(why_not(findings, second_gate), HasSubstr("nor this"));
    findings = well();
    findings.no_gate = "--only";
    EXPECT_THAT(missing(findings), ElementsAre("second-gate"));
    EXPECT_EQ(why_not(findings, second_gate), "--only");
    // Attached, only what is there counts.
    findings = attached();
    findings.probes.gate = Probe::no("not tried");
    EXPECT_THAT(missing(findings), IsEmpty());
    findings.gate = GateKind::cgroup;
    EXPECT_THAT(why_not(findings, second_gate), HasSubstr("what is forwarded is not"));
    findings.gate = GateKind::none;
    EXPECT_THAT(why_not(findings, second_gate), HasSubstr("leakbpf follow"));
    findings = attached();
    findings.no_gate = "it could not be put on";
    EXPECT_THAT(missing(findings), ElementsAre("second-gate"));
}

TEST(Guarantees, DnsTakesAllOfItsParts) {
    Findings findings = well();
    findings.probes.tunnel = Probe::no("too large");
    EXPECT_THAT(missing(findings), ElementsAre("dns"));
    EXPECT_THAT(why_not(findings, dns), HasSubstr("too large"));
    findings = attached();
    findings.dns.always = {"no resolver", "another lack"};
    EXPECT_EQ(why_not(findings, dns), "no resolver; another lack");
    EXPECT_FALSE(require_to_attach(report_on(findings), {dns}));
    findings = attached();
    findings.deaf_tunnels = {"tun0"};
    EXPECT_THAT(missing(findings), ElementsAre("dns"));
    EXPECT_THAT(why_not(findings, dns), HasSubstr("tun0"));
}

// Attach comes before the tunnel as a rule; that it holds is not said before the tunnel is there.
TEST(Guarantees, DnsMayWaitForItsTunnel) {
    Findings findings = attached();
    findings.dns.until_tunnel = {"weaker: no tunnel"};
    EXPECT_THAT(missing(findings), ElementsAre("dns"));
    EXPECT_EQ(why_not(findings, dns), "weaker: no tunnel");
    EXPECT_FALSE(require(report_on(findings), {dns}));
    EXPECT_TRUE(require_to_attach(report_on(findings), {dns}));
    findings.probes.tunnel = Probe::no("too large");
    EXPECT_FALSE(require_to_attach(report_on(findings), {dns}));
}

TEST(Guarantees, ServicesTakeTheirHooks) {
    Findings findings = well();
    findings.probes.serve = Probe::no("too large");
    EXPECT_THAT(missing(findings), ElementsAre("serve"));
    EXPECT_THAT(why_not(findings, serve), HasSubstr("too large"));
    findings = attached();
    findings.deaf_services = {"eth0", "eth1"};
    EXPECT_THAT(missing(findings), ElementsAre("serve"));
    EXPECT_THAT(why_not(findings, serve), HasSubstr("missing on eth0, eth1"));
}

TEST(Guarantees, AnInertLsmIsNone) {
    Findings findings = well();
    findings.security_modules = {"lockdown", "apparmor"};
    EXPECT_THAT(missing(findings), ElementsAre("lsm"));
    EXPECT_THAT(why_not(findings, lsm), HasSubstr("lsm=lockdown,apparmor,bpf"));
    findings.security_modules.reset();
    EXPECT_THAT(missing(findings), ElementsAre("lsm"));
    findings = well();
    findings.probes.lsm = Probe::no("Operation not permitted (libbpf: much text)");
    EXPECT_THAT(missing(findings), ElementsAre("lsm"));
    EXPECT_THAT(why_not(findings, lsm), testing::Not(HasSubstr("much text")));
}

TEST(Guarantees, WaysBelowTheFilter) {
    const std::vector<std::pair<std::function<void(Findings &)>, const char *>> ways{
        {[](Findings &f) { f.uplinks[0].device.xdp = "program 9 \"lb\", native"; }, "eth0: XDP program 9"},
        {[](Findings &f) { f.uplinks[0].device.tc_offload = true; }, "ethtool -K eth0 hw-tc-offload off"},
        {[](Findings &f) { f.uplinks[0].device.switch_id = "0102"; }, "hardware switch"},
        {[](Findings &f) { f.uplinks[0].device.xdp_sockets = 1; }, "eth0: 1 AF_XDP socket is bound"},
        {[](Findings &f) { f.xdp_elsewhere = {"veth3: XDP program 9"}; },
         "veth3: XDP program 9 can redirect past the filter"},
        {[](Findings &f) { f.netconsole = {"t1 on eth0"}; }, "t1 on eth0"}};
    for (const auto &[way, told] : ways) {
        Findings findings = well();
        way(findings);
        EXPECT_THAT(missing(findings), ElementsAre("no-detour")) << told;
        EXPECT_THAT(why_not(findings, no_detour), HasSubstr(told));
    }
}

TEST(Guarantees, Notes) {
    const auto notes = [](auto change) {
        Findings findings = well();
        change(findings);
        return report_on(findings).notes;
    };
    EXPECT_THAT(notes([](Findings &f) { f.kernel = "5.10.0-32-amd64"; }), ElementsAre(HasSubstr("5.15")));
    EXPECT_THAT(notes([](Findings &f) { f.kernel = "5.15.0"; }), IsEmpty());
    EXPECT_THAT(notes([](Findings &f) { f.xdp_sockets_listed = false; }), ElementsAre(HasSubstr("AF_XDP")));
    EXPECT_THAT(notes([](Findings &f) { f.machine = "aarch64"; }), ElementsAre(HasSubstr("aarch64")));
    EXPECT_THAT(notes([](Findings &f) {
                    f.cgroups = {CgroupLayout::Kind::hybrid, {"/sys/fs/cgroup/unified"}};
                }),
                ElementsAre(HasSubstr("at /sys/fs/cgroup/unified")));
    // What Linux gives to sockets by itself, and what queries are translated to.
    const auto of_ports = [&notes](const LocalPorts &ports) {
        return notes([&ports](Findings &f) { f.local_ports = ports; });
    };
    for (const PortRange range : {PortRange{32768, 60999}, PortRange{1024, 60999}, PortRange{65096, 65535}})
        EXPECT_THAT(of_ports({range, {}}), IsEmpty()) << range.last;
    for (const PortRange range : {PortRange{1024, 61000}, PortRange{62000, 63000}, PortRange{65095, 65535}})
        EXPECT_THAT(of_ports({range, {}}),
                    ElementsAre(testing::AllOf(HasSubstr(std::to_string(range.last)),
                                               HasSubstr("from 61000 to 65095"),
                                               HasSubstr("add 61000-65095 to net.ipv4.ip_local_reserved"))));
    const PortRange wide{1024, 65535};
    EXPECT_THAT(of_ports({wide, {{80, 80}, {61000, 65095}}}), IsEmpty());
    EXPECT_THAT(of_ports({wide, {{60000, 62000}, {62001, 65535}}}), IsEmpty());
    EXPECT_THAT(of_ports({wide, {{61000, 65094}}}), testing::SizeIs(1));
    EXPECT_THAT(of_ports({wide, {{61001, 65535}}}), testing::SizeIs(1));
    EXPECT_THAT(notes([](Findings &f) { f.raw_senders = {"\"dhclient\" (pid 7)"}; }),
                ElementsAre(HasSubstr("dhclient")));
    EXPECT_THAT(
        notes([](Findings &f) {
            f.resolved = {true, {{"DNSOverTLS", "yes"}, {"LLMNR", "no"}, {"FallbackDNS", "192.0.2.1"}}};
        }),
        ElementsAre(HasSubstr("each link"), HasSubstr("DNSOverTLS=yes"), HasSubstr("192.0.2.1")));
}

TEST(Guarantees, Parsed) {
    EXPECT_THAT(parse_guarantees({"tcx,identity", "tcx"}).value(), ElementsAre(tcx, identity));
    EXPECT_THAT(parse_guarantees({"strict"}).value(),
                ElementsAre(uplink, first, identity, bypass_guard, compat_guard));
    EXPECT_EQ(parse_guarantees({"all"}).value().size(), guarantee_count);
    EXPECT_THAT(parse_guarantees({}).value(), IsEmpty());
    for (const char *wrong : {"", "tcx,", "TCX", "nothing"}) {
        const auto parsed = parse_guarantees({wrong});
        ASSERT_FALSE(parsed) << wrong;
        EXPECT_EQ(parsed.error().exit, Exit::bad_input);
        EXPECT_THAT(parsed.error().message, HasSubstr("bypass-guard"));
    }
}

TEST(Guarantees, Required) {
    Findings findings = well();
    findings.security_modules = {"capability"};
    findings.probes.tcx = Probe::no("none");
    const Report report = report_on(findings);
    EXPECT_TRUE(require(report, {uplink, identity}));
    EXPECT_TRUE(require(report, {}));
    const auto refused = require(report, {uplink, tcx, lsm});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit, Exit::unsupported);
    EXPECT_THAT(refused.error().message, testing::AllOf(HasSubstr("tcx (no tcx: none)"), HasSubstr("lsm (")));
}

} // namespace
} // namespace lk
