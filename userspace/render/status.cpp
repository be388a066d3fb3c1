// SPDX-License-Identifier: MIT
#include "render/status.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "render/json.h"
#include "render/names.h"
#include "render/policy.h"
#include "render/portal.h"
#include "render/text.h"
#include "render/trial.h"
#include "render/uplinks.h"

namespace lk {

namespace {

std::string place_in_chain(const UplinkLine &line) {
    if (!line.hook || !line.hook->ours_alive) return line.guarded ? "NO HOOK" : "";
    if (!line.hook->ahead.empty()) return fmt::format("BEHIND {}", abridged(line.hook->ahead));
    if (line.hook->behind.empty()) return "alone";
    return fmt::format("first, before {}", abridged(line.hook->behind));
}

std::string uplinks_text(const Status &status) {
    std::vector<std::vector<std::string>> rows;
    for (const UplinkLine &line : uplink_lines(status)) {
        const bool alive = line.hook && line.hook->ours_alive;
        rows.push_back({plain(line.name.value_or(fmt::format("(device {}, gone)", line.ifindex))),
                        line.guarded ? "guarded" : (alive ? "denied" : "-"),
                        line.hook ? std::string(attachment_name(line.hook->attachment)) : "none",
                        place_in_chain(line)});
    }
    for (const int ifindex : status.built.unguarded) {
        const Device *device = status.topology.find(ifindex);
        rows.push_back({device ? plain(device->name) : fmt::format("(device {})", ifindex), "UNGUARDED"});
    }
    return "uplinks:\n" + columns(rows, 2);
}

std::string socket_hooks_text(const Status &status) {
    std::vector<std::string> alive, dead;
    std::string where;
    for (const CgroupHook &hook : status.cgroup_hooks) {
        (hook.alive ? alive : dead).push_back(plain(hook.name));
        if (hook.alive) where = plain(hook.cgroup);
    }
    std::string text =
        "socket hooks: " + (alive.empty() ? std::string("none") : abridged(alive, alive.size()));
    if (!where.empty()) text += " at " + where;
    if (!dead.empty()) text += "; MISSING: " + abridged(dead, dead.size());
    return text + '\n';
}

// "compat, sockets, links"; where bpf is no active security module, the last two would be inert.
std::string guards_text(const Status &status) {
    std::vector<std::string> alive, missing;
    for (const GuardHook &guard : status.guards)
        (guard.alive ? alive : missing).push_back(guard.name);
    std::string text = "guards: " + (alive.empty() ? std::string("none") : abridged(alive));
    if (!missing.empty()) text += "; not there: " + abridged(missing);
    if (status.lsm_active == false)
        text += " (bpf is no active security module: sockets and links would be inert)";
    return text + '\n';
}

const char *gate_name(GateKind kind) {
    switch (kind) {
    case GateKind::netfilter: return "netfilter";
    case GateKind::cgroup: return "cgroup";
    case GateKind::none: break;
    }
    return "none";
}

std::string windows_text(const std::optional<Windows> &windows) {
    if (!windows || windows->count == 0) return "";
    return fmt::format(
        "new uplinks: {} had their hook after {:.1f} ms (p50), {:.1f} ms (p99); until then raw "
        "frames pass, and what the second gate does not see\n",
        grouped(windows->count), static_cast<double>(windows->p50_us) / 1e3,
        static_cast<double>(windows->p99_us) / 1e3);
}

OrderedJson windows_to_json(const std::optional<Windows> &windows) {
    if (!windows) return nullptr;
    return {{"count", windows->count}, {"p50_us", windows->p50_us}, {"p99_us", windows->p99_us}};
}

std::string counters_text(const Status &status) {
    std::vector<std::vector<std::string>> rows;
    for (unsigned hook = 0; hook < LK_HOOKS; ++hook)
        for (unsigned reason = 0; reason < LK_REASONS; ++reason) {
            const lk_count &count = status.counters[hook][reason];
            if (count.packets == 0) continue;
            rows.push_back({std::string(hook_name(hook)), std::string(reason_name(reason)),
                            grouped(count.packets), hook == LK_HOOK_UPLINK ? grouped(count.bytes) : ""});
        }
    if (rows.empty()) return "counters: nothing yet\n";
    rows.insert(rows.begin(), {"hook", "reason", "packets", "bytes"});
    std::string text = "counters:\n" + columns(rows, 2, {2, 3});
    const State::Untold &untold = status.untold;
    if (untold.resets + untold.icmp + untold.events > 0)
        text +=
            fmt::format("  for the rate limits: {} resets and {} ICMP errors not sent, {} events not shown\n",
                        grouped(untold.resets), grouped(untold.icmp), grouped(untold.events));
    return text;
}

} // namespace

std::string status_text(const Status &status) {
    if (!status.attached)
        return sentences("note", status.remarks) + "nothing is attached in this network namespace\n";
    std::string text = fmt::format("policy {}, {}\n", status.epoch,
                                   status.follower ? fmt::format("kept current by pid {}", *status.follower)
                                                   : "kept current by nobody");
    text += trial_text(status.trial);
    text += portal_text(status.portal);
    text += scopes_text(status.document);
    text += uplinks_text(status);
    text += socket_hooks_text(status);
    text += guards_text(status);
    text += fmt::format("second gate: {}\n", gate_name(status.gate));
    text += windows_text(status.windows);
    text += counters_text(status);
    text += sentences("WEAKNESS", status.weaknesses);
    text += sentences("note", status.remarks);
    text += sentences("note", status.built.notices);
    return text;
}

std::string status_json(const Status &status) {
    OrderedJson json{{"version", json_version}, {"attached", status.attached}};
    if (!status.attached) {
        json["remarks"] = status.remarks;
        return dumped(json);
    }
    json["epoch"] = status.epoch;
    json["follower"] = follower_to_json(status.follower);
    json["trial"] = trial_to_json(status.trial);
    json["portal"] = portal_to_json(status.portal);
    json["scopes"] = scopes_to_json(status.document);
    json["uplinks"] = OrderedJson::array();
    for (const UplinkLine &line : uplink_lines(status))
        json["uplinks"].push_back(uplink_to_json(line));
    json["unguarded"] = OrderedJson::array();
    for (const int ifindex : status.built.unguarded)
        if (const Device *device = status.topology.find(ifindex)) json["unguarded"].push_back(device->name);
    json["socket_hooks"] = OrderedJson::array();
    for (const CgroupHook &hook : status.cgroup_hooks)
        json["socket_hooks"].push_back({{"name", hook.name}, {"alive", hook.alive}, {"cgroup", hook.cgroup}});
    json["guards"] = OrderedJson::array();
    for (const GuardHook &guard : status.guards)
        json["guards"].push_back({{"name", guard.name}, {"alive", guard.alive}});
    json["gate"] = gate_name(status.gate);
    json["new_uplinks"] = windows_to_json(status.windows);
    json["lsm_active"] = status.lsm_active ? OrderedJson(*status.lsm_active) : OrderedJson(nullptr);
    json["counters"] = OrderedJson::array();
    for (unsigned hook = 0; hook < LK_HOOKS; ++hook)
        for (unsigned reason = 0; reason < LK_REASONS; ++reason)
            if (const lk_count &count = status.counters[hook][reason]; count.packets != 0)
                json["counters"].push_back({{"hook", hook_name(hook)},
                                            {"reason", reason_name(reason)},
                                            {"packets", count.packets},
                                            {"bytes", count.bytes}});
    json["untold"] = {
        {"resets", status.untold.resets}, {"icmp", status.untold.icmp}, {"events", status.untold.events}};
    json["weaknesses"] = status.weaknesses;
    json["remarks"] = status.remarks;
    json["notices"] = status.built.notices;
    return dumped(json);
}

} // namespace lk
