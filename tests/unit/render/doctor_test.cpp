// SPDX-License-Identifier: MIT
#include "render/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace lk {
namespace {

using testing::HasSubstr;

Diagnosis diagnosis() {
    Findings findings;
    findings.kernel = "6.1.0";
    findings.machine = "x86_64";
    findings.probes.uplink = findings.probes.clsact = findings.probes.sockets = Probe::ok();
    findings.probes.tcx = Probe::no("this kernel has none (Linux 6.6)");
    findings.probes.tunnel = findings.probes.serve = findings.probes.gate_cgroup = Probe::ok();
    findings.probes.gate = Probe::no("no such hook");
    findings.probes.compat = findings.probes.lsm = Probe::no("refused\nfor good");
    findings.security_modules = {"capability"};
    findings.cgroups = {CgroupLayout::Kind::hybrid, {"/cg2"}};
    findings.uplinks.push_back({"eth0\x1b", false, Attachment::none, {}, {true, "", "program 9, native", 2}});
    findings.netconsole = {"t on eth0"};
    findings.resolved = {true, {{"LLMNR", "yes"}}};
    findings.raw_senders = {"\"dhclient\" (pid 7)"};
    Report report = report_on(findings);
    return {std::move(findings), std::move(report)};
}

TEST(Doctor, AsText) {
    const std::string text = doctor_text(diagnosis(), {Guarantee::uplink, Guarantee::tcx});
    for (const char *part :
         {"kernel 6.1.0 on x86_64\n", "control groups: hybrid, cgroup2 at /cg2\n",
          "security modules: capability\n", "tcx          no: this kernel has none", "no: refused for good\n",
          "eth0\\x1b  not guarded; XDP program 9, native; AF_XDP sockets: 2; hw-tc-offload",
          "uplink        holds  whatever", "tcx           NO     no tcx",
          "lsm           no     bpf is not among", "note: ", "LLMNR=yes"})
        EXPECT_THAT(text, HasSubstr(part));
    EXPECT_THAT(text, testing::Not(HasSubstr("\x1b")));
}

TEST(Doctor, AsJson) {
    const auto json = nlohmann::json::parse(doctor_json(diagnosis(), {Guarantee::uplink, Guarantee::tcx}));
    EXPECT_EQ(json["version"], 1);
    EXPECT_EQ(json["required_hold"], false);
    ASSERT_EQ(json["guarantees"].size(), guarantee_count);
    EXPECT_EQ(json["guarantees"][0]["name"], "uplink");
    EXPECT_EQ(json["guarantees"][0]["holds"], true);
    EXPECT_TRUE(json["guarantees"][0]["why_not"].is_null());
    EXPECT_EQ(json["guarantees"][1]["required"], true);
    EXPECT_EQ(json["guarantees"][1]["holds"], false);
    EXPECT_EQ(json["guarantees"][8]["required"], false);
    EXPECT_EQ(json["probes"]["tcx"]["works"], false);
    EXPECT_EQ(json["probes"]["gate"]["works"], false);
    EXPECT_EQ(json["probes"]["gate_cgroup"]["works"], true);
    EXPECT_EQ(json["uplinks"][0]["xdp_sockets"], 2);
    EXPECT_EQ(json["security_modules"], nlohmann::json::array({"capability"}));
    EXPECT_EQ(json["control_groups"]["layout"], "hybrid");
    EXPECT_EQ(json["uplinks"][0]["tc_offload"], true);
    EXPECT_EQ(json["systemd_resolved"]["settings"]["LLMNR"], "yes");
    EXPECT_EQ(json["cap_net_raw"].size(), 1u);
    EXPECT_EQ(nlohmann::json::parse(doctor_json(diagnosis(), {Guarantee::uplink}))["required_hold"], true);
}

} // namespace
} // namespace lk
