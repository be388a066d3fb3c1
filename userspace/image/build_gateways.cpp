// SPDX-License-Identifier: MIT
#include "image/build_gateways.h"

#include <netinet/in.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "image/beside_v4.h"

namespace lk {
namespace {

// One thing that one prefix may be talked to for. `any` entries have no endpoint.
struct Entry {
    Prefix prefix;
    bool any = false;
    GatewayRow::Endpoint endpoint;
};

void add_entries(std::vector<Entry> &entries, const Gateway &gateway, const Prefix &prefix) {
    switch (gateway.protocol) {
    case Protocol::udp: entries.push_back({prefix, false, {IPPROTO_UDP, gateway.port, true}}); return;
    case Protocol::tcp: entries.push_back({prefix, false, {IPPROTO_TCP, gateway.port, true}}); return;
    case Protocol::esp: entries.push_back({prefix, false, {IPPROTO_ESP, 0, true}}); return;
    case Protocol::any:
        if (gateway.port == 0) {
            entries.push_back({prefix, true, {}});
            return;
        }
        entries.push_back({prefix, false, {IPPROTO_TCP, gateway.port, false}});
        entries.push_back({prefix, false, {IPPROTO_UDP, gateway.port, false}});
    }
}

// The IPv6 addresses under which a NAT64 translator (RFC 6052, /96) shows an IPv4 prefix.
Prefix translated(const Prefix &nat64, const Prefix &v4) {
    auto bytes = nat64.address.bytes();
    std::copy_n(v4.address.bytes().begin() + 12, 4, bytes.begin() + 12);
    return Prefix::of(Address::from_v6(bytes.data()), 96 + v4.length);
}

std::vector<Entry> entries_of(const Policy &policy) {
    std::vector<Entry> entries;
    entries.reserve(policy.gateways.size() * (1 + policy.nat64.size()));
    for (const auto &gateway : policy.gateways) {
        add_entries(entries, gateway, gateway.prefix);
        if (!gateway.prefix.address.is_v4()) continue;
        for (const auto &nat64 : policy.nat64)
            if (!nat64.address.is_v4() && nat64.length == 96)
                add_entries(entries, gateway, translated(nat64, gateway.prefix));
    }
    std::sort(entries.begin(), entries.end(),
              [](const Entry &a, const Entry &b) { return a.prefix < b.prefix; });
    return entries;
}

// Sorted; of two that differ only in `exact` the exact one stays, because it serves both.
void tidy(std::vector<GatewayRow::Endpoint> &endpoints) {
    std::sort(endpoints.begin(), endpoints.end(), std::greater<>{});
    const auto same = [](const auto &a, const auto &b) {
        return a.protocol == b.protocol && a.port == b.port;
    };
    endpoints.erase(std::unique(endpoints.begin(), endpoints.end(), same), endpoints.end());
    std::reverse(endpoints.begin(), endpoints.end());
}

// Rows of one family, sorted: a prefix comes before all that it contains, so the open ones are a stack.
std::vector<GatewayRow> flatten(const Entry *begin, const Entry *end) {
    std::vector<GatewayRow> rows;
    std::vector<std::size_t> open;
    while (begin != end) {
        GatewayRow row{begin->prefix, false, {}};
        while (!open.empty() && !rows[open.back()].prefix.contains(row.prefix))
            open.pop_back();
        if (!open.empty()) {
            row.any = rows[open.back()].any;
            row.endpoints = rows[open.back()].endpoints;
        }
        for (; begin != end && begin->prefix == row.prefix; ++begin) {
            if (begin->any)
                row.any = true;
            else
                row.endpoints.push_back(begin->endpoint);
        }
        tidy(row.endpoints);
        open.push_back(rows.size());
        rows.push_back(std::move(row));
    }
    return rows;
}

} // namespace

GatewaySet build_gateways(const Policy &policy) {
    GatewaySet set;
    if (policy.lockdown) return set;
    set.bootstrap = policy.bootstrap;
    set.services = policy.services;
    auto entries = entries_of(policy);
    const auto v4 = std::stable_partition(entries.begin(), entries.end(),
                                          [](const Entry &entry) { return !entry.prefix.address.is_v4(); });
    auto rows = flatten(entries.data(), entries.data() + (v4 - entries.begin()));
    keep_off_v4(rows);
    auto more = flatten(entries.data() + (v4 - entries.begin()), entries.data() + entries.size());
    rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    std::sort(rows.begin(), rows.end(),
              [](const GatewayRow &a, const GatewayRow &b) { return a.prefix < b.prefix; });
    for (auto &row : rows)
        (row.prefix.is_host() ? set.hosts : set.nets).push_back(std::move(row));
    return set;
}

} // namespace lk
