// SPDX-License-Identifier: MIT
#include "cli/policy_options.h"

#include <fmt/format.h>
#include <net/if.h>

#include <CLI/CLI.hpp>

#include "base/text.h"

namespace lk {

namespace {

// One value each time: `--gw A eth0` must not take eth0 for a gateway, nor "[a,b]" for two values.
void add_list(CLI::App &app, const char *name, std::vector<std::string> &values, const char *form,
              const char *help) {
    app.add_option(name, values, help)->type_name(form)->allow_extra_args(false);
}

template <typename Value, typename Parser>
Result<void> parse_all(const char *option, const std::vector<std::string> &words, Parser parser,
                       std::vector<Value> &values) {
    values.reserve(words.size());
    for (const std::string &word : words) {
        Result<Value> value = parser(word);
        if (!value) return named(option, value.error());
        values.push_back(*std::move(value));
    }
    return {};
}

Result<Prefix> parse_nat64(const std::string &word) {
    Result<Prefix> prefix = Prefix::parse(word);
    if (!prefix) return prefix;
    if (prefix->address.is_v4() || prefix->length != 96)
        return bad_input(fmt::format("{} is no NAT64 prefix: expected an IPv6 prefix of length 96, such as "
                                     "64:ff9b::/96",
                                     quote(word)));
    return prefix;
}

Result<std::string> parse_device(const std::string &word) {
    if (word.empty() || word.size() >= IFNAMSIZ || word == "." || word == ".." ||
        word.find_first_of("/: \t\n\v\f\r") != std::string::npos)
        return bad_input(fmt::format("{} is no device name: expected 1 to {} characters without slash, colon "
                                     "or space, such as eth0",
                                     quote(word), IFNAMSIZ - 1));
    return word;
}

Result<VpnCgroup> parse_cgroup(const std::string &word) {
    if (word.empty() || word == "/")
        return bad_input(fmt::format("{} names every process: expected a cgroup below the cgroup2 root, such "
                                     "as system.slice/openvpn.service",
                                     quote(word)));
    return VpnCgroup{word, 0, 0};
}

} // namespace

Error named(const char *option, Error error) {
    if (!error.message.starts_with("--")) error.message = fmt::format("{}: {}", option, error.message);
    return error;
}

void add_policy_options(CLI::App &app, PolicyOptions &options) {
    app.add_option("IFACE", options.interfaces,
                   "Uplinks to guard; without one, every device that holds a default route and is no tunnel")
        ->type_name("");
    add_list(app, "--gw", options.gateways, "ADDR[/LEN][:PORT[/udp|tcp]]|ADDR[/LEN]/esp",
             "VPN server that may be talked to; IPv6 with a port in brackets");
    add_list(app, "--dns", options.resolvers, "ADDR[:PORT]", "Resolver inside the tunnel that queries go to");
    add_list(app, "--bootstrap-dns", options.bootstrap, "ADDR=NAME[,NAME...]",
             "Names that anybody may ask this server for in the clear, while no tunnel leads to a resolver");
    add_list(app, "--vpn-user", options.vpn_users, "USER|UID", "User whose sockets may talk to anything");
    add_list(app, "--vpn-cgroup", options.vpn_cgroups, "PATH",
             "Cgroup whose sockets may talk to anything, below the cgroup2 root");
    app.add_option("--vpn-mark", options.vpn_mark,
                   "With --strict: the mark of a tunnel that the kernel makes")
        ->type_name("VALUE[/MASK]");
    add_list(app, "--lan", options.lan, "CIDR", "Prefix that counts as LAN beside the uplink's own");
    app.add_flag("--no-lan", options.no_lan, "Nothing to the LAN but what the link needs")
        ->disable_flag_override();
    app.add_flag("--lan-names", options.lan_names, "LLMNR and NetBIOS names on the LAN")
        ->disable_flag_override();
    app.add_flag("--no-multicast", options.no_multicast, "No SSDP and mDNS")->disable_flag_override();
    add_list(app, "--nat64", options.nat64, "PREFIX",
             "NAT64 prefix (/96) through which IPv4 gateways are reached too");
    add_list(app, "--tunnel", options.tunnels, "DEV", "Device that is a tunnel, whatever its kind");
    add_list(app, "--inside", options.insides, "DEV",
             "Device that leads to containers or VMs, whatever its kind");
    app.add_flag("--pppoe", options.pppoe, "PPPoE frames, where the ppp device on top is guarded")
        ->disable_flag_override();
    app.add_flag("--only", options.only, "Leave uplinks alone that appear later")->disable_flag_override();
    app.add_flag("--strict", options.strict, "To gateways only the VPN daemon or the mark may talk")
        ->disable_flag_override();
    app.add_flag("--lock-sockets", options.lock_sockets,
                 "Packet and AF_XDP sockets for the programs that a link needs only (needs the BPF LSM)")
        ->disable_flag_override();
    add_list(app, "--sockets-for", options.sockets_for, "NAME",
             "Executable, by its file name, that may make them too");
    app.add_option("--action", options.action, "Tell the sender of a refused packet, or stay silent")
        ->type_name("refuse|drop");
    app.add_option("--hook", options.hook, "Where the filter sits; auto: tcx, else clsact")
        ->type_name("auto|tcx|clsact");
    app.add_flag("--lockdown", options.lockdown, "No gateway at all")->disable_flag_override();
}

Result<AttachRequest> to_request(const PolicyOptions &options) {
    AttachRequest request;
    Policy &policy = request.policy;
    if (auto done = parse_all("--gw", options.gateways, Gateway::parse, policy.gateways); !done)
        return done.error();
    if (auto done = parse_all("--dns", options.resolvers, Resolver::parse, policy.resolvers); !done)
        return done.error();
    for (const std::string &word : options.bootstrap) {
        const auto names = BootstrapName::parse_list(word);
        if (!names) return named("--bootstrap-dns", names.error());
        policy.bootstrap.insert(policy.bootstrap.end(), names->begin(), names->end());
    }
    if (auto done = parse_all("--vpn-user", options.vpn_users, VpnUser::parse, policy.vpn_users); !done)
        return done.error();
    if (auto done = parse_all("--vpn-cgroup", options.vpn_cgroups, parse_cgroup, policy.vpn_cgroups); !done)
        return done.error();
    if (auto done = parse_all("--lan", options.lan, Prefix::parse, policy.lan); !done) return done.error();
    if (auto done = parse_all("--nat64", options.nat64, parse_nat64, policy.nat64); !done)
        return done.error();
    if (auto done = parse_all("--tunnel", options.tunnels, parse_device, policy.tunnels); !done)
        return done.error();
    if (auto done = parse_all("--inside", options.insides, parse_device, policy.insides); !done)
        return done.error();
    if (auto done = parse_all("IFACE", options.interfaces, parse_device, request.interfaces); !done)
        return done.error();
    if (options.vpn_mark) {
        Result<Fwmark> mark = Fwmark::parse(*options.vpn_mark);
        if (!mark) return named("--vpn-mark", mark.error());
        policy.vpn_mark = *mark;
    }
    const Result<Action> action = parse_action(options.action);
    if (!action) return named("--action", action.error());
    const Result<HookKind> hook = parse_hook(options.hook);
    if (!hook) return named("--hook", hook.error());
    policy.action = *action;
    policy.hook = *hook;
    policy.no_lan = options.no_lan;
    policy.lan_names = options.lan_names;
    policy.no_multicast = options.no_multicast;
    policy.strict = options.strict;
    policy.lockdown = options.lockdown;
    policy.pppoe = options.pppoe;
    policy.lock_sockets = options.lock_sockets;
    policy.sockets_for = options.sockets_for;
    request.only = options.only;
    policy = normalise(std::move(policy));
    if (Result<void> valid = validate(policy); !valid) return valid.error();
    return request;
}

} // namespace lk
