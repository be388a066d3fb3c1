// SPDX-License-Identifier: MIT
#include "render/policy.h"

#include <fmt/format.h>

#include "render/text.h"

namespace lk {

namespace {

template <typename T, typename Show>
std::string shown(const std::vector<T> &values, Show show) {
    // 100,000 gateways are not turned into text to show eight.
    constexpr std::size_t most = 8;
    std::vector<std::string> words;
    for (std::size_t index = 0; index < values.size() && index < most; ++index)
        words.push_back(show(values[index]));
    words.resize(values.size());
    return abridged(words, most);
}

std::string user_shown(const VpnUser &user) {
    const std::string number = std::to_string(user.uid);
    return user.name == number || user.name.empty() ? number
                                                    : fmt::format("{} ({})", plain(user.name), number);
}

} // namespace

std::vector<std::vector<std::string>> policy_rows(const Policy &policy) {
    std::vector<std::vector<std::string>> rows;
    const auto row = [&rows](const char *what, std::string value) {
        if (!value.empty()) rows.push_back({what, std::move(value)});
    };
    const auto str = [](const auto &value) { return value.str(); };
    row("gateways", policy.gateways.empty() ? "none" : shown(policy.gateways, str));
    row("resolvers", policy.resolvers.empty() ? "none: port 53 is refused" : shown(policy.resolvers, str));
    row("bootstrap DNS", shown(policy.bootstrap, str));
    row("served", policy.services.empty()
                      ? ""
                      : shown(policy.services, str) + "; who asks there sees this machine's own address");
    row("VPN users", shown(policy.vpn_users, user_shown));
    row("VPN cgroups", shown(policy.vpn_cgroups, [](const VpnCgroup &cgroup) { return plain(cgroup.path); }));
    if (policy.vpn_mark) row("VPN mark", policy.vpn_mark->str());
    row("LAN", policy.no_lan ? "refused" : "passes");
    row("LAN too", shown(policy.lan, str));
    row("NAT64", shown(policy.nat64, str));
    row("multicast", policy.no_multicast ? "refused" : "SSDP and mDNS pass");
    if (policy.lan_names) row("LAN names", "LLMNR and NetBIOS pass");
    row("tunnels", shown(policy.tunnels, [](const std::string &name) { return plain(name); }));
    row("inside", shown(policy.insides, [](const std::string &name) { return plain(name); }));
    if (policy.strict) row("strict", "to gateways only the VPN daemon or the mark");
    if (policy.lockdown) row("lockdown", "no gateway at all");
    if (policy.pppoe) row("PPPoE", "passes where the ppp device is guarded");
    if (policy.lock_sockets)
        row("packet sockets", "for link programs only" +
                                  (policy.sockets_for.empty()
                                       ? std::string()
                                       : ", and " + shown(policy.sockets_for, [](const std::string &name) {
                                             return plain(name);
                                         })));
    if (policy.action == Action::drop) row("action", "drop: senders are not told");
    if (policy.refusal != Errno{}) row("errno", std::string(policy.refusal.str()));
    if (policy.hook != HookKind::automatic) row("hook", std::string(to_string(policy.hook)));
    return rows;
}

std::string scopes_text(const Document &document) {
    std::string text;
    for (std::size_t index = 0; index < document.scopes.size(); ++index) {
        const Scope &scope = document.scopes[index];
        std::vector<std::string> names;
        names.reserve(scope.uplinks.size());
        for (const std::string &name : scope.uplinks)
            names.push_back(plain(name));
        if (names.empty() && scope.takes_new)
            text += fmt::format("scope {}: every uplink that no other names, and those that come later\n",
                                index + 1);
        else
            text += fmt::format("scope {}: {}{}\n", index + 1, abridged(names),
                                scope.takes_new ? ", and uplinks that come later" : "");
        text += columns(policy_rows(scope.policy), 2);
    }
    return text;
}

} // namespace lk
