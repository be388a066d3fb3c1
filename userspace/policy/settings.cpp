// SPDX-License-Identifier: MIT
#include "policy/settings.h"

#include <fmt/format.h>
#include <net/if.h>

#include <array>

#include "base/text.h"

namespace lk {

namespace {

using Kind = Setting::Kind;

template <auto Member>
Result<void> turn_on(std::string_view, Policy &policy) {
    policy.*Member = true;
    return {};
}

template <auto Member, auto Parse>
Result<void> append(std::string_view word, Policy &policy) {
    auto value = Parse(word);
    if (!value) return value.error();
    (policy.*Member).push_back(*std::move(value));
    return {};
}

template <auto Member, auto Parse>
Result<void> put(std::string_view word, Policy &policy) {
    auto value = Parse(word);
    if (!value) return value.error();
    policy.*Member = *std::move(value);
    return {};
}

Result<void> append_bootstrap(std::string_view word, Policy &policy) {
    const auto names = BootstrapName::parse_list(word);
    if (!names) return names.error();
    policy.bootstrap.insert(policy.bootstrap.end(), names->begin(), names->end());
    return {};
}

Result<Prefix> parse_nat64(std::string_view word) {
    Result<Prefix> prefix = Prefix::parse(word);
    if (!prefix) return prefix;
    if (prefix->address.is_v4() || prefix->length != 96)
        return bad_input(fmt::format("{} is no NAT64 prefix: expected an IPv6 prefix of length 96, such as "
                                     "64:ff9b::/96",
                                     quote(word)));
    return prefix;
}

Result<VpnCgroup> parse_cgroup(std::string_view word) {
    if (word.empty() || word == "/" || word.find('\0') != word.npos)
        return bad_input(fmt::format("{} names every process: expected a cgroup below the cgroup2 root, such "
                                     "as system.slice/openvpn.service",
                                     quote(word)));
    return VpnCgroup{std::string(word), 0, 0};
}

// What may stand in the list is validate()'s matter: it depends on another setting.
Result<std::string> parse_program(std::string_view word) {
    return std::string(word);
}

constexpr bool in_cgroups = true, in_uplinks = true;

constexpr std::array table{
    Setting{"gw", "gateways", Kind::list, "ADDR[/LEN][:PORT[/udp|tcp]]|ADDR[/LEN]/esp",
            "VPN server that may be talked to; IPv6 with a port in brackets",
            append<&Policy::gateways, Gateway::parse>, in_cgroups},
    Setting{"dns", "dns", Kind::list, "ADDR[:PORT]", "Resolver inside the tunnel that queries go to",
            append<&Policy::resolvers, Resolver::parse>, in_cgroups},
    Setting{"bootstrap-dns", "bootstrap-dns", Kind::list, "ADDR=NAME[,NAME...]",
            "Names that anybody may ask this server for in the clear, while no tunnel leads to a resolver",
            append_bootstrap},
    Setting{"serve", "serve", Kind::list, "PROTO/PORT[@CIDR]",
            "Service here or in a container that may answer whoever asks it; shows the machine's address",
            append<&Policy::services, ServedPort::parse>},
    Setting{"vpn-user", "vpn-users", Kind::list, "USER|UID", "User whose sockets may talk to anything",
            append<&Policy::vpn_users, VpnUser::parse>, in_cgroups},
    Setting{"vpn-cgroup", "vpn-cgroups", Kind::list, "PATH",
            "Cgroup whose sockets may talk to anything, below the cgroup2 root",
            append<&Policy::vpn_cgroups, parse_cgroup>},
    Setting{"vpn-mark", "vpn-mark", Kind::word, "VALUE[/MASK]",
            "With --strict: the mark of a tunnel that the kernel makes",
            put<&Policy::vpn_mark, Fwmark::parse>},
    Setting{"lan", "lan", Kind::list, "CIDR", "Prefix that counts as LAN beside the uplink's own",
            append<&Policy::lan, Prefix::parse>, in_cgroups},
    Setting{"no-lan", "no-lan", Kind::flag, "", "Nothing to the LAN but what the link needs",
            turn_on<&Policy::no_lan>, in_cgroups},
    Setting{"lan-names", "lan-names", Kind::flag, "", "LLMNR and NetBIOS names on the LAN",
            turn_on<&Policy::lan_names>, in_cgroups},
    Setting{"no-multicast", "no-multicast", Kind::flag, "", "No SSDP and mDNS",
            turn_on<&Policy::no_multicast>},
    Setting{"nat64", "nat64", Kind::list, "PREFIX",
            "NAT64 prefix (/96) through which IPv4 gateways are reached too",
            append<&Policy::nat64, parse_nat64>, in_cgroups},
    Setting{"tunnel", "tunnels", Kind::list, "DEV", "Device that is a tunnel, whatever its kind",
            append<&Policy::tunnels, parse_device>},
    Setting{"inside", "insides", Kind::list, "DEV",
            "Device that leads to containers or VMs, whatever its kind",
            append<&Policy::insides, parse_device>},
    Setting{"pppoe", "pppoe", Kind::flag, "", "PPPoE frames, where the ppp device on top is guarded",
            turn_on<&Policy::pppoe>},
    Setting{"strict", "strict", Kind::flag, "", "To gateways only the VPN daemon or the mark may talk",
            turn_on<&Policy::strict>, in_cgroups},
    Setting{"lock-sockets", "lock-sockets", Kind::flag, "",
            "Packet and AF_XDP sockets for the programs that a link needs only (needs the BPF LSM)",
            turn_on<&Policy::lock_sockets>},
    Setting{"sockets-for", "sockets-for", Kind::list, "NAME",
            "Executable, by its file name, that may make them too",
            append<&Policy::sockets_for, parse_program>},
    Setting{"action", "action", Kind::word, "refuse|drop",
            "Tell the sender of a refused packet, or stay silent", put<&Policy::action, parse_action>},
    Setting{"hook", "hook", Kind::word, "auto|tcx|clsact", "Where the filter sits; auto: tcx, else clsact",
            put<&Policy::hook, parse_hook>},
    Setting{"lockdown", "lockdown", Kind::flag, "", "No gateway at all", turn_on<&Policy::lockdown>,
            in_cgroups},
    Setting{"errno", "errno", Kind::word, "NAME",
            "What a call says that a cgroup's policy refuses (ECONNREFUSED, EPERM, ENETUNREACH...)",
            put<&Policy::refusal, Errno::parse>, in_cgroups, !in_uplinks},
};

} // namespace

std::span<const Setting> settings() {
    return table;
}

Result<std::string> parse_device(std::string_view word) {
    if (word.empty() || word.size() >= IFNAMSIZ || word == "." || word == ".." ||
        word.find_first_of(std::string_view("/: \t\n\v\f\r\0", 9)) != word.npos)
        return bad_input(fmt::format("{} is no device name: expected 1 to {} characters without slash, colon "
                                     "or space, such as eth0",
                                     quote(word), IFNAMSIZ - 1));
    return std::string(word);
}

} // namespace lk
