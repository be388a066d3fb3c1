// SPDX-License-Identifier: MIT
#include "render/cgroups.h"

#include <fmt/format.h>

#include "base/text.h"
#include "render/json.h"
#include "render/policy.h"
#include "render/text.h"

namespace lk {

namespace {

// "cgroup system.slice/nginx.service, unit nginx.service"
std::string title(const ScopeEntry &entry) {
    const CgroupNames names = names_of_cgroup(entry.cgroup.path);
    std::string text = "cgroup " + plain(entry.cgroup.path);
    if (!names.container.empty())
        text += ", container " + names.container.substr(0, 12);
    else if (!names.unit.empty())
        text += ", unit " + plain(names.unit);
    if (entry.gone) text += ", gone: its policy holds for sockets that it may have left";
    return text;
}

std::string entry_text(const ScopeEntry &entry) {
    std::vector<std::vector<std::string>> rows;
    for (auto &row : policy_rows(entry.policy)) // the uplink's LAN is none of a cgroup's
        if (row.front() != "LAN" && row.front() != "multicast") rows.push_back(std::move(row));
    if (entry.policy.lan.empty()) rows.push_back({"LAN", "refused"});
    rows.push_back({"refused", fmt::format("{} calls, {} packets", grouped(entry.refused_calls),
                                           grouped(entry.refused_packets))});
    rows.push_back({"queries", fmt::format("{} to the resolver", grouped(entry.queries))});
    return title(entry) + '\n' + columns(rows, 2);
}

OrderedJson entry_json(const ScopeEntry &entry) {
    const CgroupNames names = names_of_cgroup(entry.cgroup.path);
    const auto name = [](const std::string &text) {
        return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
    };
    return {{"path", entry.cgroup.path},
            {"id", entry.cgroup.id},
            {"unit", name(names.unit)},
            {"container", name(names.container)},
            {"gone", entry.gone},
            {"policy", scopes_to_json(Document{{Scope{{}, true, {}, entry.policy}}})[0]["policy"]},
            {"refused_calls", entry.refused_calls},
            {"refused_packets", entry.refused_packets},
            {"queries", entry.queries}};
}

OrderedJson entries_json(const std::vector<ScopeEntry> &entries) {
    OrderedJson json = OrderedJson::array();
    for (const ScopeEntry &entry : entries)
        json.push_back(entry_json(entry));
    return json;
}

} // namespace

std::string cgroups_attached_text(const CgroupAnswer &answer) {
    return fmt::format("guarded: cgroup {}\n", all_plain(answer.attached)) +
           sentences("notice", answer.notices);
}

std::string cgroups_attached_json(const CgroupAnswer &answer) {
    return dumped({{"version", json_version}, {"cgroups", answer.attached}, {"notices", answer.notices}});
}

std::string cgroups_detached_text(const std::vector<std::string> &paths) {
    if (paths.empty()) return "there was nothing to set free\n";
    return fmt::format("set free: cgroup {}\n", all_plain(paths));
}

std::string cgroups_detached_json(const std::vector<std::string> &paths) {
    return dumped({{"version", json_version}, {"cgroups", paths}});
}

std::string all_cgroups_detached_text() {
    return "set free: all cgroups\n";
}

std::string all_cgroups_detached_json() {
    return dumped({{"version", json_version}, {"all", true}});
}

std::string cgroups_text(const CgroupStatus &status) {
    std::string text;
    for (const ScopeEntry &entry : status.entries)
        text += entry_text(entry);
    for (const std::string &weakness : status.weaknesses)
        text += fmt::format("WEAKNESS: {}\n", weakness);
    return text.empty() ? "no cgroup has a policy\n" : text;
}

std::string cgroups_json(const CgroupStatus &status) {
    return dumped({{"version", json_version},
                   {"cgroups", entries_json(status.entries)},
                   {"weaknesses", status.weaknesses}});
}

std::string process_text(const ProcessStatus &status) {
    std::string text = fmt::format("process {}: cgroup {}\n", status.pid, plain(status.cgroup));
    if (status.entries.empty()) return text + "no policy of a cgroup holds for it\n";
    for (const ScopeEntry &entry : status.entries)
        text += entry_text(entry);
    if (status.entries.size() > 1) text += "all of these must let a packet pass\n";
    return text + "sockets that it had before it came into this cgroup keep their policies\n";
}

std::string process_json(const ProcessStatus &status) {
    return dumped({{"version", json_version},
                   {"pid", status.pid},
                   {"cgroup", status.cgroup},
                   {"policies", entries_json(status.entries)}});
}

} // namespace lk
