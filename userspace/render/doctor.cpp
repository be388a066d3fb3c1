// SPDX-License-Identifier: MIT
#include "render/doctor.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "render/json.h"
#include "render/text.h"
#include "render/uplinks.h"

namespace lk {

namespace {

struct NamedProbe {
    const char *name;
    const Probe &probe;
};

std::vector<NamedProbe> probes_of(const KernelProbes &probes) {
    return {{"uplink", probes.uplink},
            {"tcx", probes.tcx},
            {"clsact", probes.clsact},
            {"sockets", probes.sockets},
            {"tunnel", probes.tunnel},
            {"gate", probes.gate},
            {"gate_cgroup", probes.gate_cgroup},
            {"compat", probes.compat},
            {"lsm", probes.lsm},
            {"serve", probes.serve}};
}

// A whole sentence, which plain() would cut: what libbpf says is long and spans lines.
std::string one_line(const std::string &text) {
    std::istringstream words(text);
    std::string line;
    for (std::string word; words >> word;)
        line += (line.empty() ? "" : " ") + plain(word);
    return line;
}

std::string loads_text(const KernelProbes &probes) {
    std::vector<std::vector<std::string>> rows;
    for (const auto &[name, probe] : probes_of(probes))
        rows.push_back({name, probe.works ? "works" : "no: " + one_line(probe.why_not)});
    return "tried:\n" + columns(rows, 2);
}

std::string uplinks_text(const Findings &findings) {
    std::vector<std::vector<std::string>> rows;
    for (const UplinkFacts &uplink : findings.uplinks) {
        std::string seen =
            uplink.guarded ? "guarded at " + std::string(attachment_name(uplink.attachment)) : "not guarded";
        const auto &others = uplink.guarded ? uplink.ahead : uplink.others;
        if (!others.empty()) seen += "; others there: " + abridged(others);
        if (!uplink.device.xdp.empty()) seen += "; XDP " + uplink.device.xdp;
        if (uplink.device.xdp_sockets) seen += fmt::format("; AF_XDP sockets: {}", uplink.device.xdp_sockets);
        if (uplink.device.tc_offload) seen += "; hw-tc-offload";
        if (!uplink.device.switch_id.empty()) seen += "; hardware switch";
        rows.push_back({plain(uplink.name), one_line(seen)});
    }
    return rows.empty() ? "uplinks: none\n" : "uplinks:\n" + columns(rows, 2);
}

std::string modules_text(const Findings &findings) {
    if (!findings.security_modules) return "cannot be read";
    return abridged(*findings.security_modules, findings.security_modules->size());
}

} // namespace

std::string doctor_text(const Diagnosis &diagnosis, const std::vector<Guarantee> &wanted) {
    const Findings &findings = diagnosis.findings;
    std::string text = fmt::format("kernel {} on {}\n", findings.kernel, findings.machine);
    text +=
        fmt::format("control groups: {}{}\n", to_string(findings.cgroups.kind),
                    findings.cgroups.v2_at.empty() ? "" : ", cgroup2 at " + abridged(findings.cgroups.v2_at));
    text += fmt::format("security modules: {}\n", modules_text(findings));
    text += loads_text(findings.probes);
    text += uplinks_text(findings);
    std::vector<std::vector<std::string>> rows;
    for (const Judgement &judgement : diagnosis.report.guarantees) {
        const bool asked = std::ranges::find(wanted, judgement.guarantee) != wanted.end();
        rows.push_back(
            {std::string(to_string(judgement.guarantee)), judgement.holds ? "holds" : (asked ? "NO" : "no"),
             judgement.holds ? std::string(promise(judgement.guarantee)) : one_line(judgement.why_not)});
    }
    text += "guarantees:\n" + columns(rows, 2);
    for (const std::string &note : diagnosis.report.notes)
        text += fmt::format("note: {}\n", one_line(note));
    return text;
}

std::string doctor_json(const Diagnosis &diagnosis, const std::vector<Guarantee> &wanted) {
    const Findings &findings = diagnosis.findings;
    OrderedJson json{{"version", json_version}, {"kernel", findings.kernel}, {"machine", findings.machine}};
    json["required_hold"] = require(diagnosis.report, wanted).has_value();
    json["guarantees"] = OrderedJson::array();
    for (const Judgement &judgement : diagnosis.report.guarantees)
        json["guarantees"].push_back(
            {{"name", to_string(judgement.guarantee)},
             {"promise", promise(judgement.guarantee)},
             {"required", std::ranges::find(wanted, judgement.guarantee) != wanted.end()},
             {"holds", judgement.holds},
             {"why_not", judgement.holds ? OrderedJson(nullptr) : OrderedJson(judgement.why_not)}});
    json["probes"] = OrderedJson::object();
    for (const auto &[name, probe] : probes_of(findings.probes))
        json["probes"][name] = {{"works", probe.works},
                                {"why_not", probe.works ? OrderedJson(nullptr) : OrderedJson(probe.why_not)}};
    json["security_modules"] =
        findings.security_modules ? OrderedJson(*findings.security_modules) : OrderedJson(nullptr);
    json["control_groups"] = {{"layout", to_string(findings.cgroups.kind)},
                              {"cgroup2_at", findings.cgroups.v2_at}};
    json["attached"] = findings.attached;
    json["uplinks"] = OrderedJson::array();
    for (const UplinkFacts &uplink : findings.uplinks)
        json["uplinks"].push_back(
            {{"name", uplink.name},
             {"guarded", uplink.guarded},
             {"hook", attachment_name(uplink.attachment)},
             {"others", uplink.guarded ? uplink.ahead : uplink.others},
             {"xdp", uplink.device.xdp.empty() ? OrderedJson(nullptr) : OrderedJson(uplink.device.xdp)},
             {"xdp_sockets", uplink.device.xdp_sockets},
             {"tc_offload", uplink.device.tc_offload},
             {"hardware_switch", !uplink.device.switch_id.empty()}});
    json["netconsole"] = findings.netconsole;
    json["xdp_elsewhere"] = findings.xdp_elsewhere;
    json["systemd_resolved"] = {{"running", findings.resolved.running},
                                {"settings", findings.resolved.settings}};
    json["cap_net_raw"] = findings.raw_senders;
    json["notes"] = diagnosis.report.notes;
    return dumped(json);
}

} // namespace lk
