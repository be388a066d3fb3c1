// SPDX-License-Identifier: MIT
// What somebody wants, validated and immutable: the terms are those of docs/policy.md.
// This room knows no device, no netlink and no BPF: names of devices are only names here.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/address.h"
#include "policy/dns_name.h"
#include "policy/router.h"

namespace lk {

enum class Protocol : std::uint8_t { any = 0, tcp = 6, udp = 17, esp = 50 };

// --gw ADDR[/LEN][:PORT[/udp|tcp]] | ADDR[/LEN]/esp ; IPv6 with a port in brackets: [2001:db8::7]:51820/udp,
// [2001:db8::/64]:51820/udp.
struct Gateway {
    Prefix prefix;
    Protocol protocol = Protocol::any;
    std::uint16_t port = 0; // host byte order; 0: every port but 53
    static Result<Gateway> parse(std::string_view text);
    std::string str() const;
    auto operator<=>(const Gateway &) const = default;
};

// --dns ADDR[:PORT], IPv6 with a port in brackets.
struct Resolver {
    Address address;
    std::uint16_t port = 53; // host byte order
    static Result<Resolver> parse(std::string_view text);
    // The same form for another option, which errors name.
    static Result<Resolver> parse_as(std::string_view option, std::string_view text);
    std::string str() const;
    auto operator<=>(const Resolver &) const = default;
};

// One name of --bootstrap-dns ADDR=NAME[,NAME...]: a query for it to this server, port 53, may leave in the
// clear while no tunnel leads to a resolver.
struct BootstrapName {
    Address server;
    DnsName name;                                              // max_bootstrap_wire bytes in a message
    static Result<BootstrapName> parse(std::string_view text); // ADDR=NAME
    static Result<std::vector<BootstrapName>> parse_list(std::string_view text);
    std::string str() const;
    auto operator<=>(const BootstrapName &) const = default;
};

// --serve PROTO/PORT[@CIDR]: a service here, or in a container whose port is published here, that may answer
// whoever asks it by the uplink.
struct ServedPort {
    Protocol protocol = Protocol::tcp; // tcp or udp
    std::uint16_t port = 0;            // host byte order; as it stands on the wire
    std::optional<Prefix> from;        // none: everybody, in both families
    static Result<ServedPort> parse(std::string_view text);
    std::string str() const;
    auto operator<=>(const ServedPort &) const = default;
};

// --vpn-user USER|UID. uid 0 and 65534 are refused.
struct VpnUser {
    uid_t uid = 0;
    std::string name; // as given
    static Result<VpnUser> parse(std::string_view text);
    auto operator<=>(const VpnUser &) const = default;
};
Result<void>
check_vpn_uid(const VpnUser &user); // the refusals alone, for a user that did not come from parse()

// --vpn-cgroup PATH: below the host's cgroup2 root; resolved when the policy is committed.
struct VpnCgroup {
    std::string path;
    std::uint64_t id = 0;    // of the kernfs node
    std::uint32_t level = 0; // distance from the root, 1 or more
    auto operator<=>(const VpnCgroup &) const = default;
};

// --vpn-mark VALUE[/MASK], decimal or 0x; the value must lie inside the mask, and not be 0.
struct Fwmark {
    std::uint32_t value = 0;
    std::uint32_t mask = 0xffffffff;
    static Result<Fwmark> parse(std::string_view text);
    std::string str() const;
    auto operator<=>(const Fwmark &) const = default;
};

// --errno NAME: what a call says that a cgroup's policy refuses.
struct Errno {
    int number = 111; // ECONNREFUSED
    static Result<Errno> parse(std::string_view text);
    std::string_view str() const;
    auto operator<=>(const Errno &) const = default;
};

enum class Action { refuse, drop };
enum class HookKind { automatic, tcx, clsact };
std::string_view to_string(Action action);
std::string_view to_string(HookKind hook); // "auto", "tcx", "clsact", as after --hook
Result<Action> parse_action(std::string_view text);
Result<HookKind> parse_hook(std::string_view text);

struct Policy {
    std::vector<Gateway> gateways;        // sorted, unique
    std::vector<Resolver> resolvers;      // in the order given
    std::vector<BootstrapName> bootstrap; // sorted, unique
    std::vector<ServedPort> services;     // sorted, unique
    std::vector<VpnUser> vpn_users;
    std::vector<VpnCgroup> vpn_cgroups;
    std::optional<Fwmark> vpn_mark;
    std::vector<Prefix> lan;                   // named with --lan, public ones included
    std::vector<Prefix> nat64;                 // /96 prefixes
    std::vector<std::string> tunnels, insides; // device names that overrule the class by kind
    bool no_lan = false;
    bool lan_names = false;
    bool no_multicast = false;
    bool strict = false;
    bool lockdown = false;
    bool pppoe = false;
    bool lock_sockets = false;            // packet sockets for few programs only
    std::vector<std::string> sockets_for; // file names of executables, beyond link_programs()
    Action action = Action::refuse;
    HookKind hook = HookKind::automatic;
    Errno refusal; // of a cgroup's policy

    bool operator==(const Policy &) const = default;
};

constexpr std::size_t max_gateways = 100'000; // rows for --nat64 included
constexpr std::size_t max_lan_prefixes = 10'000;
constexpr std::size_t max_bootstrap_names = 64, max_bootstrap_wire = 127;
constexpr std::size_t max_services = 256;

// File names of the executables that make packet sockets because a link needs it (DHCP, 802.1X, discovery).
const std::vector<std::string> &link_programs();
constexpr std::size_t max_program_name = 31; // bytes
constexpr std::size_t max_sockets_for = 32;

// Sorts and removes duplicates (resolvers keep their order, the first of several users with one uid stays).
// Called by whoever makes a Policy, before validate(); a Document holds normalised policies.
Policy normalise(Policy policy);

// The rules that need more than one value: something is allowed or lockdown; strict needs a daemon or a mark;
// a resolver inside a gateway's prefix (its queries would leave in the clear); the size limits.
Result<void> validate(const Policy &policy);

// One attach: where its policy holds.
struct Scope {
    std::vector<std::string>
        uplinks;                // names as given or found; a device made again under the name is meant too
    bool takes_new = true;      // uplinks that appear later are guarded too (--only: false)
    std::vector<int> unguarded; // ifindexes of other uplinks that existed at attach and were left alone
    Policy policy;
    bool operator==(const Scope &) const = default;
};

// attach --try: what happens at the deadline unless `keep` comes before it.
struct Trial {
    std::uint64_t deadline_ns = 0;   // CLOCK_BOOTTIME
    std::vector<Scope> before;       // that come back; none: nothing was in force, so everything is taken off
    std::vector<int> guarded_before; // ifindexes that had our hook: going back lets go of all others
    bool operator==(const Trial &) const = default;
};

// leakbpf portal: to whom, and until when. Routers that come later are not among them.
struct Portal {
    std::uint64_t until_ns = 0;  // CLOCK_BOOTTIME; the kernel minds it too
    std::vector<Router> routers; // sorted
    bool operator==(const Portal &) const = default;
};

// All that was asked for in one network namespace; the last scope with takes_new guards new uplinks and gives
// the socket hooks their policy (the last scope, where none takes new ones). Kept in the kernel as JSON.
struct Document {
    std::vector<Scope> scopes;
    std::optional<Trial> trial = {};
    std::optional<Portal> portal = {};
    bool operator==(const Document &) const = default;
};

std::string to_json(const Document &document);
// Unknown, missing and doubled keys and values of another type are errors that name the key's path. Each
// value is checked by its own parser; validate() is the caller's.
Result<Document> document_from_json(std::string_view json);

} // namespace lk
