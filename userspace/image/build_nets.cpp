// SPDX-License-Identifier: MIT
#include "image/build_nets.h"

#include <algorithm>

#include "image/beside_v4.h"
#include "leakbpf/abi.h"

namespace lk {
namespace {

constexpr unsigned widest_lan_v4 = 16, widest_lan_v6 = 48;

Prefix v4(std::uint8_t a, std::uint8_t b, unsigned length) {
    const std::uint8_t bytes[4] = {a, b, 0, 0};
    return Prefix::of(Address::from_v4(bytes), length);
}

Prefix v6(std::uint8_t a, std::uint8_t b, unsigned length) {
    const std::uint8_t bytes[16] = {a, b};
    return Prefix::of(Address::from_v6(bytes), length);
}

const std::vector<Prefix> &private_nets() {
    static const std::vector<Prefix> nets{v4(10, 0, 8),     v4(172, 16, 12), v4(192, 168, 16),
                                          v4(169, 254, 16), v6(0xfc, 0, 7),  link_local_net()};
    return nets;
}

struct Open {
    Prefix prefix;
    std::uint32_t flags; // before carving
    bool carved;
    std::uint32_t answer; // what the longest match gives here
};

// Rows of one family: a prefix comes before all that it contains, so the open ones are a stack.
NetSet flatten_family(const NetEntry *at, const NetEntry *end) {
    NetSet rows;
    std::vector<Open> open;
    while (at != end) {
        Open here{at->prefix, 0, false, 0};
        while (!open.empty() && !open.back().prefix.contains(here.prefix))
            open.pop_back();
        const std::uint32_t around = open.empty() ? 0 : open.back().answer;
        if (!open.empty()) {
            here.flags = open.back().flags;
            here.carved = open.back().carved;
        }
        for (; at != end && at->prefix == here.prefix; ++at) {
            here.flags |= at->flags;
            here.carved |= at->carve;
        }
        here.answer = here.carved ? here.flags & ~static_cast<std::uint32_t>(LK_NET_LAN) : here.flags;
        if (here.answer != around) rows.push_back({here.prefix, here.answer});
        open.push_back(here);
    }
    return rows;
}

} // namespace

const Prefix &link_local_net() {
    static const Prefix net = v6(0xfe, 0x80, 64);
    return net;
}

bool is_private(const Address &address) {
    return std::ranges::any_of(private_nets(), [&](const Prefix &net) { return net.contains(address); });
}

NetSet flatten_nets(std::vector<NetEntry> entries) {
    std::sort(entries.begin(), entries.end(),
              [](const NetEntry &a, const NetEntry &b) { return a.prefix < b.prefix; });
    const auto middle = std::stable_partition(
        entries.begin(), entries.end(), [](const NetEntry &entry) { return !entry.prefix.address.is_v4(); });
    const NetEntry *first_v4 = entries.data() + (middle - entries.begin());
    NetSet rows = flatten_family(entries.data(), first_v4);
    keep_off_v4(rows);
    const NetSet more = flatten_family(first_v4, entries.data() + entries.size());
    rows.insert(rows.end(), more.begin(), more.end());
    std::sort(rows.begin(), rows.end(), [](const NetRow &a, const NetRow &b) { return a.prefix < b.prefix; });
    return rows;
}

LanPart lan_of(const Prefix &on_link) {
    const unsigned widest = on_link.address.is_v4() ? widest_lan_v4 : widest_lan_v6;
    if (on_link.length < widest) return {{}, LanPart::Why::too_wide};
    for (const auto &net : private_nets()) {
        if (net.contains(on_link)) return {on_link, LanPart::Why::is_lan};
        if (on_link.contains(net)) return {net, LanPart::Why::is_lan};
    }
    return {{}, LanPart::Why::not_private};
}

} // namespace lk
