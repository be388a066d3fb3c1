// SPDX-License-Identifier: MIT
// Row 8: neighbour discovery. Asking for an address tells the link whom one means to talk to.
#include "cases/table.h"

namespace lk {

namespace {

constexpr std::uint8_t ns = 135, na = 136;
const std::string own = "fe80::10", global = "2001:db8:1::10", group = "ff02::1:ff00:20";

void solicitations(Table &t) {
    const auto yes = [&](const std::string &name, const Packet &p) -> Spec & {
        return t.add("ns." + name, "8.4", LK_LINK, p);
    };
    const auto no = [&](const std::string &name, const Packet &p) -> Spec & {
        return t.add("ns." + name, "12", LK_NOT_ALLOWED, p);
    };
    yes("target-lan", neighbour(ns, own, group, "fd00:1::20"));
    yes("target-own", neighbour(ns, own, group, "2001:db8:1::10"));
    yes("target-link-local", neighbour(ns, own, group, "fe80::20"));
    yes("target-next-hop", neighbour(ns, own, group, "fe80::1"));
    yes("target-next-hop-elsewhere", neighbour(ns, own, group, "2001:db8:5::1")).in(with([](World &w) {
        w.next_hops.push_back(*Address::parse("2001:db8:5::1"));
    }));
    no("target-elsewhere", neighbour(ns, own, group, "2001:db8:5::1"));
    yes("target-on-link-gateway", neighbour(ns, own, group, "2001:db8:1::77"));
    no("target-on-link", neighbour(ns, own, group, "2001:db8:1::20"));
    no("target-off-link-gateway", neighbour(ns, own, group, "2001:db8:9::7"));
    no("target-internet", neighbour(ns, own, group, "2001:db8:ffff::1"));
    no("target-beyond-link-local", neighbour(ns, own, group, "fe80:0:0:1::20"));
    t.add("ns.target-mapped", "2", LK_MALFORMED, neighbour(ns, own, group, "::ffff:192.168.1.20"));
    t.add("ns.target-mapped-own", "2", LK_MALFORMED, neighbour(ns, own, group, "::ffff:192.168.1.10"));
    t.add("ns.target-mapped-next-hop", "2", LK_MALFORMED, neighbour(ns, own, group, "::ffff:192.168.1.1"));
    t.add("ns.target-mapped-gateway", "2", LK_MALFORMED, neighbour(ns, own, group, "::ffff:198.51.100.77"));
    no("target-carved-out", neighbour(ns, own, group, "fd42::1"));
    yes("from-global", neighbour(ns, global, group, "fd00:1::20"));
    yes("to-lan-unicast", neighbour(ns, own, "fd00:1::20", "fd00:1::20"));
    yes("to-public-on-link-unicast", neighbour(ns, global, "2001:db8:1::77", "2001:db8:1::77"));
    yes("to-link-local-unicast", neighbour(ns, own, "fe80::1", "fe80::1"));
    yes("to-next-hop", neighbour(ns, own, "2001:db8:5::1", "2001:db8:5::1")).in(with([](World &w) {
        w.next_hops.push_back(*Address::parse("2001:db8:5::1"));
    }));
    no("to-elsewhere", neighbour(ns, own, "2001:db8:5::1", "fd00:1::20"));
    no("to-all-nodes", neighbour(ns, own, "ff02::1", "fd00:1::20"));
    no("to-beside-solicited", neighbour(ns, own, "ff02::1:fe00:20", "fd00:1::20"));
    no("to-beyond-solicited", neighbour(ns, own, "ff02::2:0:20", "fd00:1::20"));
    yes("to-last-solicited", neighbour(ns, own, "ff02::1:ffff:ffff", "fd00:1::20"));
    no("to-on-link-group", neighbour(ns, own, "ff0e::1", "fd00:1::20")).in(with([](World &w) {
        w.next_hops.push_back(*Address::parse("ff0e::1"));
    }));
    no("hop-254", neighbour(ns, own, group, "fd00:1::20").hops(254));
    t.add("ns.hop-254-in-lan", "10", LK_LAN, neighbour(ns, own, "fd00:1::20", "fd00:1::20").hops(254));
    no("first", neighbour(ns, own, group, "fd00:1::20").first(1));
    yes("atomic", neighbour(ns, own, group, "fd00:1::20").atomic(1));
    yes("no-lan", neighbour(ns, own, group, "fd00:1::20")).in(with([](World &w) { w.policy.no_lan = true; }));
    no("no-lan-hop-1", neighbour(ns, own, "fd00:1::20", "fd00:1::20").hops(1)).in(with([](World &w) {
        w.policy.no_lan = true;
    }));
    t.add("ns.stranger", "3", LK_SOURCE, neighbour(ns, "fe80::11", group, "fd00:1::20"));
    t.add("ns.with-option", "8.4", LK_LINK,
          neighbour(ns, own, group, "fd00:1::20").patch(24, {1, 1, 2, 0, 0, 0, 0, 1}));
}

void duplicate_address_detection(Table &t) {
    const auto yes = [&](const std::string &name, const Packet &p) -> Spec & {
        return t.add("dad." + name, "8.4", LK_LINK, p);
    };
    const auto no = [&](const std::string &name, const Packet &p) -> Spec & {
        return t.add("dad." + name, "3", LK_SOURCE, p);
    };
    yes("own", neighbour(ns, "::", group, "2001:db8:1::10"));
    yes("on-link-public", neighbour(ns, "::", group, "2001:db8:1::4444"));
    yes("on-link-ula", neighbour(ns, "::", group, "fd00:1::4444"));
    yes("link-local", neighbour(ns, "::", group, "fe80::4444"));
    yes("link-local-no-addresses", neighbour(ns, "::", group, "fe80::4444")).in(with([](World &w) {
        w.own.clear();
    }));
    no("next-hop-elsewhere", neighbour(ns, "::", group, "2001:db8:5::1")).in(with([](World &w) {
        w.next_hops.push_back(*Address::parse("2001:db8:5::1"));
    }));
    no("elsewhere", neighbour(ns, "::", group, "2001:db8:5::1"));
    no("gateway", neighbour(ns, "::", group, "2001:db8:9::7"));
    no("lan-named", neighbour(ns, "::", group, "2001:db8:6::1")).in(with([](World &w) {
        w.policy.lan.push_back(*Prefix::parse("2001:db8:6::/64"));
    }));
    no("unicast", neighbour(ns, "::", "fd00:1::20", "fd00:1::20"));
    // A gateway prefix that takes in multicast: the source is judged by row 8 all the same, then row 5 comes
    // first.
    static const World wide =
        with([](World &w) { w.policy.gateways.push_back(*Gateway::parse("fe00::/7")); });
    t.add("dad.in-gateway-prefix", "5", LK_GATEWAY, neighbour(ns, "::", group, "2001:db8:1::10")).in(wide);
    no("in-gateway-prefix-elsewhere", neighbour(ns, "::", group, "2001:db8:5::1")).in(wide);
    no("all-nodes", neighbour(ns, "::", "ff02::1", "fd00:1::20"));
    no("hop-254", neighbour(ns, "::", group, "fd00:1::20").hops(254));
    no("first", neighbour(ns, "::", group, "fd00:1::20").first(1));
    t.add("dad.target-mapped", "2", LK_MALFORMED, neighbour(ns, "::", group, "::ffff:192.168.1.20"));
}

void advertisements(Table &t) {
    const auto yes = [&](const std::string &name, const Packet &p) -> Spec & {
        return t.add("na." + name, "8.5", LK_LINK, p);
    };
    const auto no = [&](const std::string &name, const Packet &p) -> Spec & {
        return t.add("na." + name, "12", LK_NOT_ALLOWED, p);
    };
    yes("all-nodes", neighbour(na, own, "ff02::1", own));
    yes("all-nodes-from-global", neighbour(na, global, "ff02::1", global));
    yes("on-link-public", neighbour(na, own, "2001:db8:1::20", own));
    yes("lan", neighbour(na, own, "fd00:1::20", own));
    yes("link-local", neighbour(na, own, "fe80::1", own));
    yes("link-local-no-prefix", neighbour(na, global, "fe80::1", global)).in(with([](World &w) {
        w.own.pop_back();
    }));
    yes("no-lan", neighbour(na, own, "fe80::1", own)).in(with([](World &w) { w.policy.no_lan = true; }));
    yes("next-hop", neighbour(na, own, "2001:db8:5::1", own)).in(with([](World &w) {
        w.next_hops.push_back(*Address::parse("2001:db8:5::1"));
    }));
    no("elsewhere", neighbour(na, own, "2001:db8:5::1", own));
    no("all-routers", neighbour(na, own, "ff02::2", own));
    no("solicited", neighbour(na, own, group, own));
    no("beyond-link-local", neighbour(na, own, "fe80:0:0:1::1", own));
    no("hop-254", neighbour(na, own, "ff02::1", own).hops(254));
    no("first", neighbour(na, own, "ff02::1", own).first(1));
    no("lan-named-off-link", neighbour(na, own, "2001:db8:6::1", own)).in(with([](World &w) {
        w.policy.lan.push_back(*Prefix::parse("2001:db8:6::/64"));
        w.policy.no_lan = true;
    }));
    t.add("na.target-mapped", "2", LK_MALFORMED, neighbour(na, own, "ff02::1", "::ffff:192.168.1.10"));
    t.add("na.target-mapped-tail", "F", LK_FRAGMENT,
          neighbour(na, own, "ff02::1", "::ffff:192.168.1.10").tail(1));
    t.add("na.any", "3", LK_SOURCE, neighbour(na, "::", "ff02::1", own));
    t.add("na.stranger", "3", LK_SOURCE, neighbour(na, "fe80::11", "ff02::1", own));
}

} // namespace

void rows_neighbour(Table &t) {
    solicitations(t);
    duplicate_address_detection(t);
    advertisements(t);
}

} // namespace lk
