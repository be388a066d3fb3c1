// SPDX-License-Identifier: MIT
#include "control/dns_promise.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "control/portal.h"

namespace lk {

namespace {

// What is said of several places is said once.
class Sentences {
  public:
    void add(const std::string &where, std::string what) {
        const auto known = std::ranges::find(all_, what, &Sentence::what);
        auto &places =
            known == all_.end() ? all_.emplace_back(Sentence{std::move(what), {}}).places : known->places;
        if (std::ranges::find(places, where) == places.end()) places.push_back(where);
    }
    // NAMED: with where it holds.
    std::vector<std::string> list(bool named) const {
        std::vector<std::string> result;
        for (const Sentence &each : all_)
            result.push_back(named ? fmt::format("{}: {}", fmt::join(each.places, ", "), each.what)
                                   : each.what);
        return result;
    }

  private:
    struct Sentence {
        std::string what;
        std::vector<std::string> places;
    };
    std::vector<Sentence> all_;
};

std::string name_of(const Scope &scope) {
    return scope.uplinks.empty() ? "uplinks that appear" : fmt::format("{}", fmt::join(scope.uplinks, ", "));
}

void look_at_policy(const std::string &where, const Policy &policy, Sentences &said) {
    const auto is_v4 = [](const Resolver &resolver) { return resolver.address.is_v4(); };
    if (policy.resolvers.empty())
        said.add(where, "no resolver is named, so queries are refused and not carried: give --dns");
    else if (std::ranges::none_of(policy.resolvers, is_v4))
        said.add(where,
                 "no IPv4 resolver is named, so IPv4 queries are refused and not carried: give --dns one");
    if (policy.strict) return; // then it is the VPN daemon's alone
    for (const Gateway &gateway : policy.gateways)
        if (gateway.port == 53)
            said.add(where,
                     fmt::format("weaker: who asks the gateway {} asks it in the clear, unless --strict",
                                 gateway.str()));
}

// An IPv4 resolver serves queries of both families.
void look_at_record(const std::string &where, const lk_policy &record, bool portal, Sentences &said) {
    if (record.way4.ifindex != 0) return;
    const bool six = record.way6.ifindex != 0;
    if (record.flags & LK_POLICY_RESOLVER4 && six)
        said.add(where,
                 "weaker: no tunnel leads to an IPv4 resolver; IPv4 queries are refused until one does");
    else if (record.flags & (LK_POLICY_RESOLVER4 | LK_POLICY_RESOLVER6) && !six)
        said.add(where, "weaker: no tunnel is up that leads to a resolver; queries are refused until one is");
    if (record.flags & (LK_POLICY_BOOTSTRAP4 | LK_POLICY_BOOTSTRAP6))
        said.add(where, "weaker: until then queries for the names of --bootstrap-dns leave in the clear");
    if (portal) said.add(where, "weaker: a portal is open, and queries to its routers leave in the clear");
}

} // namespace

DnsLacks dns_lacks(const Document &document, const Built &built, std::uint64_t now_ns) {
    Sentences always, until_tunnel;
    for (const Scope &scope : document.scopes)
        look_at_policy(name_of(scope), scope.policy, always);
    const bool portal = document.portal && !portal_over(document, now_ns);
    for (const DeviceRow &row : built.image.devices)
        look_at_record(row.name, row.record.policy, portal, until_tunnel);
    if (built.image.devices.empty())
        look_at_record("uplinks that appear", built.image.host.policy, portal, until_tunnel);
    const bool named = document.scopes.size() > 1;
    return {always.list(named), until_tunnel.list(named)};
}

} // namespace lk
