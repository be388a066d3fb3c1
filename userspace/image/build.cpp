// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "image/build_device.h"
#include "image/build_gateways.h"
#include "image/build_nets.h"
#include "image/build_record.h"
#include "image/build_scopes.h"
#include "image/build_ways.h"

namespace lk {
namespace {

// FNV-1a (draft-eastlake-fnv), to find equal sets among many.
class Digest {
  public:
    template <typename Number>
    void add(Number number) {
        value_ = (value_ ^ static_cast<std::uint64_t>(number)) * 0x100000001b3ull;
    }
    void add(const Prefix &prefix) {
        for (const auto byte : prefix.address.bytes())
            add(byte);
        add(prefix.length);
    }
    std::uint64_t value() const { return value_; }

  private:
    std::uint64_t value_ = 0xcbf29ce484222325ull;
};

std::uint64_t digest_of(const NetSet &set) {
    Digest digest;
    for (const auto &row : set) {
        digest.add(row.prefix);
        digest.add(row.flags);
    }
    return digest.value();
}

std::uint64_t digest_of(const GatewaySet &set) {
    Digest digest;
    for (const auto *rows : {&set.hosts, &set.nets})
        for (const auto &row : *rows) {
            digest.add(row.prefix);
            digest.add(row.any);
            digest.add(row.endpoints.size());
        }
    digest.add(set.bootstrap.size());
    digest.add(set.services.size());
    return digest.value();
}

bool is_empty(const NetSet &set) {
    return set.empty();
}
bool is_empty(const GatewaySet &set) {
    return set.hosts.empty() && set.nets.empty() && set.bootstrap.empty() && set.services.empty();
}

// Gives equal sets one place; the empty set has none.
template <typename Set>
class Shared {
  public:
    explicit Shared(std::vector<Set> &sets) : sets_(sets) {}
    std::size_t place(Set set) {
        if (is_empty(set)) return no_set;
        auto &candidates = by_digest_[digest_of(set)];
        for (const auto at : candidates)
            if (sets_[at] == set) return at;
        candidates.push_back(sets_.size());
        sets_.push_back(std::move(set));
        return candidates.back();
    }

  private:
    std::vector<Set> &sets_;
    std::unordered_map<std::uint64_t, std::vector<std::size_t>> by_digest_;
};

// A scope's policy, built when the first device needs it.
struct BuiltPolicy {
    bool done = false;
    std::size_t gateway_set = no_set;
    lk_policy record{};
};

std::vector<Resolver> resolvers_of_others(const Document &document, std::size_t scope) {
    std::vector<Resolver> resolvers;
    for (std::size_t other = 0; other < document.scopes.size(); ++other)
        if (other != scope)
            std::ranges::copy(document.scopes[other].policy.resolvers, std::back_inserter(resolvers));
    return resolvers;
}

void tell_policies(const Document &document, const Surroundings &around, std::vector<std::string> &notices) {
    for (const auto &scope : document.scopes) {
        const auto &policy = scope.policy;
        const bool daemon = !policy.vpn_users.empty() || !policy.vpn_cgroups.empty();
        const bool exact = std::ranges::any_of(
            policy.gateways, [](const Gateway &gateway) { return gateway.protocol != Protocol::any; });
        if (policy.strict && policy.gateways.empty())
            notices.emplace_back(
                "--strict lets the VPN daemon reach gateways only, and none is named: not even the VPN can "
                "leave; add --gw");
        else if (policy.strict && !daemon && !exact)
            notices.emplace_back(
                "--strict with --vpn-mark needs a gateway that names its protocol (:PORT/udp, :PORT/tcp or "
                "/esp), and none does: not even the VPN can leave");
        if (!policy.services.empty()) {
            std::vector<std::string> names;
            for (const auto &service : policy.services)
                names.push_back(service.str());
            notices.push_back(fmt::format(
                "who asks {} on the uplink is answered from there, and so sees this machine's own address",
                fmt::join(names, ", ")));
        }
        if (policy.pppoe && !around.ppp_guarded)
            notices.emplace_back(
                "--pppoe: PPPoE passes only while a ppp device is there and each one that is an uplink is "
                "guarded, which is not so now");
    }
}

} // namespace

Built build_image(const Document &document, const Topology &topology) {
    Built built;
    auto &image = built.image;
    const auto plan = plan_scopes(document, topology);
    const auto around = surroundings_of(document, topology, plan);
    Shared<GatewaySet> gateway_sets(image.gateway_sets);
    Shared<NetSet> net_sets(image.net_sets);
    std::vector<BuiltPolicy> policies(document.scopes.size());
    const auto policy_of = [&](std::size_t scope) -> const BuiltPolicy & {
        auto &policy = policies[scope];
        if (!policy.done) {
            auto gateways = build_gateways(document.scopes[scope].policy);
            policy.record = policy_record(document.scopes[scope].policy, gateways);
            add_ways(policy.record, document.scopes[scope].policy, resolvers_of_others(document, scope),
                     topology, plan.classes);
            add_bootstrap(policy.record, gateways);
            if (document.portal) policy.record.portal_until_ns = document.portal->until_ns;
            note_tunnels(built.tunnels, policy.record);
            policy.gateway_set = gateway_sets.place(std::move(gateways));
            policy.done = true;
        }
        return policy;
    };

    for (const auto &guarded : plan.guarded) {
        auto device = build_device(around, guarded, built.notices);
        if (device.readable) {
            const auto &policy = policy_of(guarded.scope);
            device.row.record.policy = policy.record;
            device.row.gateway_set = policy.gateway_set;
            device.row.net_set = net_sets.place(std::move(device.nets));
        }
        built.uplinks.push_back(guarded.ifindex);
        image.devices.push_back(std::move(device.row));
    }
    if (const auto scope = host_scope(document); scope != no_scope) {
        const auto &policy = policy_of(scope);
        image.host.policy = policy.record;
        if (document.scopes.size() > 1) image.host.policy.flags |= LK_POLICY_BY_PACKET;
        // Of all scopes the strictest: a socket belongs to no uplink.
        if (std::ranges::any_of(document.scopes, [](const Scope &each) { return each.policy.lock_sockets; }))
            image.host.policy.flags |= LK_POLICY_LOCK_SOCKETS;
        if (taking_scope(document) != no_scope) image.host.policy.flags |= LK_POLICY_GATE;
        // The hook on a tunnel goes by this record.
        if (image.host.policy.flags & (LK_POLICY_RESOLVER4 | LK_POLICY_RESOLVER6))
            for (const auto &name : note_other_tunnels(built.tunnels, topology, plan.classes))
                built.notices.push_back(fmt::format(
                    "{} is a tunnel beyond the first {}: queries that take it by themselves go where they "
                    "are sent",
                    name, LK_TUNNELS));
        image.host_gateway_set = policy.gateway_set;
        image.host_net_set = net_sets.place(build_host_nets(around));
    }

    built.unguarded = plan.unguarded;
    for (const int ifindex : built.unguarded)
        built.notices.push_back(
            fmt::format("{} is an uplink too and is not guarded: what leaves there is not filtered",
                        topology.find(ifindex)->name));
    tell_policies(document, around, built.notices);
    std::vector<std::string> once;
    for (auto &notice : built.notices)
        if (std::ranges::find(once, notice) == once.end()) once.push_back(std::move(notice));
    built.notices = std::move(once);
    return built;
}

} // namespace lk
