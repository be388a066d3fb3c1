// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>

#include "base/sort_unique.h"
#include "base/text.h"
#include "leakbpf/abi.h"
#include "policy/policy.h"

namespace lk {
namespace {

template <typename T, typename Key>
void sort_unique_by(std::vector<T> &values, Key key) {
    std::stable_sort(values.begin(), values.end(), [&](const T &a, const T &b) { return key(a) < key(b); });
    values.erase(
        std::unique(values.begin(), values.end(), [&](const T &a, const T &b) { return key(a) == key(b); }),
        values.end());
}

Result<void> check_size(const char *what, std::size_t size, std::size_t limit) {
    if (size <= limit) return {};
    return bad_input(fmt::format("{} {}: expected {} at most", grouped(size), what, grouped(limit)));
}

Result<void> check_sizes(const Policy &policy) {
    if (auto fits = check_size("gateways", policy.gateways.size(), max_gateways); !fits) return fits;
    const auto v4 = std::count_if(policy.gateways.begin(), policy.gateways.end(),
                                  [](const Gateway &g) { return g.prefix.address.is_v4(); });
    const auto rows = policy.gateways.size() + policy.nat64.size() * static_cast<std::size_t>(v4);
    if (auto fits = check_size("gateways, with one more of each IPv4 gateway for each --nat64 prefix", rows,
                               max_gateways);
        !fits)
        return fits;
    if (auto fits = check_size("--lan prefixes", policy.lan.size(), max_lan_prefixes); !fits) return fits;
    if (auto fits = check_size("names of --bootstrap-dns", policy.bootstrap.size(), max_bootstrap_names);
        !fits)
        return fits;
    if (auto fits = check_size("services of --serve", policy.services.size(), max_services); !fits)
        return fits;
    if (policy.vpn_users.size() > LK_MAX_UIDS)
        return bad_input(
            fmt::format("{} VPN users: expected {} at most; name a cgroup of them with --vpn-cgroup",
                        policy.vpn_users.size(), LK_MAX_UIDS));
    if (policy.vpn_cgroups.size() > LK_MAX_CGROUPS)
        return bad_input(fmt::format("{} VPN cgroups: expected {} at most; name one above them",
                                     policy.vpn_cgroups.size(), LK_MAX_CGROUPS));
    return {};
}

Result<void> check_combination(const Policy &policy) {
    const bool daemon = !policy.vpn_users.empty() || !policy.vpn_cgroups.empty();
    if (policy.lockdown && !policy.gateways.empty())
        return bad_input(
            fmt::format("--lockdown allows no gateway, and --gw {} was given: leave out one of the two",
                        policy.gateways.front().str()));
    if (!policy.lockdown && policy.gateways.empty() && !daemon && policy.services.empty())
        return bad_input(
            "nothing may leave: expected a gateway (--gw), a VPN user (--vpn-user) or a VPN cgroup "
            "(--vpn-cgroup); say --lockdown if that is what you want");
    if (policy.strict && !daemon && !policy.vpn_mark)
        return bad_input(
            "--strict lets only the VPN daemon reach gateways, and none is known: add --vpn-user, "
            "--vpn-cgroup or --vpn-mark");
    if (policy.lockdown && !policy.bootstrap.empty())
        return bad_input(
            fmt::format("--lockdown lets no name be asked, and --bootstrap-dns {} was given: leave "
                        "out one of the two",
                        policy.bootstrap.front().str()));
    if (policy.lockdown && !policy.services.empty())
        return bad_input(
            fmt::format("--lockdown lets nobody be answered, and --serve {} was given: leave out "
                        "one of the two",
                        policy.services.front().str()));
    for (const auto &resolver : policy.resolvers)
        for (const auto &boot : policy.bootstrap)
            if (boot.server == resolver.address)
                return bad_input(
                    fmt::format("--bootstrap-dns {}: this server is the resolver {}, which is asked "
                                "through the tunnel only",
                                boot.str(), resolver.str()));
    for (const auto &resolver : policy.resolvers)
        for (const auto &gateway : policy.gateways)
            if (gateway.prefix.contains(resolver.address))
                return bad_input(
                    fmt::format("the resolver {} is inside the gateway {}: its queries would leave in "
                                "the clear. Give the resolver's address inside the tunnel",
                                resolver.str(), gateway.str()));
    return {};
}

Result<void> check_device_names(const Policy &policy) {
    for (const auto *names : {&policy.tunnels, &policy.insides}) {
        const char *option = names == &policy.tunnels ? "--tunnel" : "--inside";
        for (const auto &name : *names)
            if (name.empty() || name.size() > 15 || name.find_first_of("/ \t\r\n") != name.npos)
                return bad_input(
                    fmt::format("{} {} is no device name: expected 1 to 15 characters without / and spaces",
                                option, quote(name)));
    }
    for (const auto &name : policy.tunnels)
        if (std::find(policy.insides.begin(), policy.insides.end(), name) != policy.insides.end())
            return bad_input(fmt::format(
                "the device {} is named by --tunnel and by --inside: expected one of them", quote(name)));
    return {};
}

Result<void> check_values(const Policy &policy) {
    for (const auto &gateway : policy.gateways)
        if (gateway.prefix.length == 0)
            return bad_input(
                fmt::format("the gateway {} is the whole Internet, which would be no filter at all: "
                            "name the addresses of the VPN's servers",
                            gateway.str()));
    for (const auto &service : policy.services)
        if (service.port == 0 || (service.protocol != Protocol::tcp && service.protocol != Protocol::udp))
            return bad_input(fmt::format("--serve {}: expected tcp or udp and a port", service.str()));
    for (const auto &user : policy.vpn_users)
        if (auto fits = check_vpn_uid(user); !fits) return fits;
    for (const auto &cgroup : policy.vpn_cgroups)
        if (cgroup.path.empty() || cgroup.path.find('\0') != cgroup.path.npos ||
            (cgroup.id != 0 && cgroup.level == 0))
            return bad_input(
                fmt::format("the VPN cgroup {} would be every process of the machine or none: expected "
                            "a cgroup below the root",
                            quote(cgroup.path)));
    for (const auto &prefix : policy.nat64)
        if (prefix.address.is_v4() || prefix.length != 96)
            return bad_input(fmt::format(
                "--nat64 {}: expected an IPv6 prefix of length 96, like 64:ff9b::/96", prefix.str()));
    return {};
}

Result<void> check_sockets_for(const Policy &policy) {
    if (!policy.sockets_for.empty() && !policy.lock_sockets)
        return bad_input(
            "--sockets-for names who may make packet sockets, which matters only with --lock-sockets");
    if (policy.sockets_for.size() > max_sockets_for)
        return bad_input(fmt::format("--sockets-for: {} programs are named, {} at most",
                                     policy.sockets_for.size(), max_sockets_for));
    for (const auto &name : policy.sockets_for)
        if (name.empty() || name.size() > max_program_name || name.find('/') != name.npos)
            return bad_input(fmt::format("--sockets-for {}: expected the file name of an executable, without "
                                         "its directory, of {} bytes at most, such as tcpdump",
                                         quote(name), max_program_name));
    return {};
}

} // namespace

const std::vector<std::string> &link_programs() {
    static const std::vector<std::string> names{
        "NetworkManager", "avahi-autoipd", "connmand", "dhclient",
        "dhcpcd",         "hostapd",       "iwd",      "lldpd",
        "pppd",           "pppoe",         "rp-pppoe", "systemd-networkd",
        "teamd",          "wpa_supplicant"};
    return names;
}

Policy normalise(Policy policy) {
    sort_unique(policy.gateways);
    sort_unique(policy.bootstrap);
    sort_unique(policy.services);
    sort_unique(policy.lan);
    sort_unique(policy.nat64);
    sort_unique(policy.tunnels);
    sort_unique(policy.insides);
    sort_unique(policy.sockets_for);
    sort_unique_by(policy.vpn_users, [](const VpnUser &user) { return user.uid; });
    sort_unique_by(policy.vpn_cgroups, [](const VpnCgroup &cgroup) { return cgroup.path; });
    std::vector<Resolver> resolvers;
    for (const auto &resolver : policy.resolvers)
        if (std::find(resolvers.begin(), resolvers.end(), resolver) == resolvers.end())
            resolvers.push_back(resolver);
    policy.resolvers = std::move(resolvers);
    return policy;
}

Result<void> validate(const Policy &policy) {
    for (auto *check : {check_sizes, check_values, check_device_names, check_combination, check_sockets_for})
        if (auto fits = check(policy); !fits) return fits;
    return {};
}

std::string_view to_string(Action action) {
    return action == Action::drop ? "drop" : "refuse";
}

std::string_view to_string(HookKind hook) {
    switch (hook) {
    case HookKind::automatic: return "auto";
    case HookKind::tcx: return "tcx";
    case HookKind::clsact: return "clsact";
    }
    return "auto";
}

Result<Action> parse_action(std::string_view text) {
    for (const auto action : {Action::refuse, Action::drop})
        if (text == to_string(action)) return action;
    return bad_input(fmt::format("there is no action {}: expected refuse or drop", quote(text)));
}

Result<HookKind> parse_hook(std::string_view text) {
    for (const auto hook : {HookKind::automatic, HookKind::tcx, HookKind::clsact})
        if (text == to_string(hook)) return hook;
    return bad_input(fmt::format("there is no hook {}: expected auto, tcx or clsact", quote(text)));
}

} // namespace lk
