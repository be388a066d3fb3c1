// SPDX-License-Identifier: MIT
// Row F: tails of fragmented packets.
#include "cases/table.h"

namespace lk {

void rows_fragment(Table &t) {
    for (const Family &f : families()) {
        const auto add = [&](const std::string &name, lk_reason reason, const Packet &p) -> Spec & {
            return t.add("fragment." + name + "." + f.tag, "F", reason, p);
        };
        const Packet gateway = udp(f.own, f.gw_udp, 1000, 1194, 600),
                     lan = udp(f.own, f.lan, 1000, 2000, 600);
        add("tail-alone", LK_FRAGMENT, gateway.tail(7));
        add("tail-alone-lan", LK_FRAGMENT, lan.tail(7));
        add("tail-alone-gateway-any", LK_FRAGMENT, udp(f.own, f.gw_any, 1, 2).tail(7));
        add("tail-gateway", LK_GATEWAY, gateway.tail(7)).after(gateway.first(7));
        add("tail-lan", LK_LAN, lan.tail(7)).after(lan.first(7));
        add("tail-lan-tcp", LK_LAN, tcp(f.own, f.lan, 1, 2).tail(7)).after(tcp(f.own, f.lan, 1, 2).first(7));
        Packet middle = gateway.tail(7, 92);
        middle.more_fragments = true;
        add("middle", LK_GATEWAY, middle).after(gateway.first(7));
        add("middle-alone", LK_FRAGMENT, middle);
        add("last-after-middle", LK_GATEWAY, gateway.tail(7)).after(gateway.first(7)).after(middle);
        add("middle-first-is-no-first", LK_FRAGMENT, gateway.tail(7)).after(middle);
        add("largest-offset", LK_GATEWAY, gateway.tail(7, 8191)).after(gateway.first(7));
        add("smallest-offset", LK_GATEWAY, gateway.tail(7, 1)).after(gateway.first(7));
        add("empty-tail", LK_GATEWAY, gateway.payload_cut(0).tail(7)).after(gateway.first(7));
        add("other-id", LK_FRAGMENT, gateway.tail(8)).after(gateway.first(7));
        add("other-destination", LK_FRAGMENT, udp(f.own, f.internet, 1, 2).tail(7)).after(gateway.first(7));
        add("other-source", LK_FRAGMENT, udp(f.own_public, f.gw_udp, 1000, 1194).tail(7))
            .after(gateway.first(7));
        add("other-protocol", LK_FRAGMENT, gateway.proto(136).tail(7)).after(gateway.first(7));
        add("whole-is-no-first", LK_FRAGMENT, gateway.tail(7)).after(gateway.atomic(7));
        add("refused-first", LK_FRAGMENT, udp(f.own, f.internet, 1, 2).tail(7))
            .after(udp(f.own, f.internet, 1, 2).first(7));
        add("refused-first-dns", LK_FRAGMENT, udp(f.own, f.lan, 1, 53).tail(7))
            .after(udp(f.own, f.lan, 1, 53).first(7));
        add("dropped-first", LK_FRAGMENT, lan.tail(7)).after(lan.payload_cut(7).first(7));
        add("after-29-s", LK_GATEWAY, gateway.tail(7)).after(gateway.first(7)).gap(29);
        add("after-31-s", LK_FRAGMENT, gateway.tail(7)).after(gateway.first(7)).gap(31);
        add("refreshed", LK_LAN, lan.tail(7)).after(lan.first(7)).after(lan.first(7)).gap(29);
        add("forwarded-tail", LK_LAN, lan.tail(7)).after(lan.first(7)).by(forwarded);
        add("tail-wrong-source", LK_FRAGMENT, gateway.tail(7))
            .after(udp(f.stranger, f.gw_udp, 1000, 1194).first(7));
        add("no-lan-first", LK_FRAGMENT, lan.tail(7)).after(lan.first(7)).in(with([](World &w) {
            w.policy.no_lan = true;
        }));
        t.add("fragment.first-gateway." + f.tag, "5", LK_GATEWAY, gateway.first(7));
        t.add("fragment.first-wrong-port." + f.tag, "12", LK_NOT_ALLOWED,
              udp(f.own, f.gw_udp, 1000, 1195).first(7));
        t.add("fragment.first-dns." + f.tag, "6.3", LK_DNS_FORM, udp(f.own, f.lan, 1000, 53).first(7));
        t.add("fragment.first-multicast." + f.tag, "11", LK_MULTICAST,
              udp(f.own, f.ssdp, 1900, 1900).first(7));
        add("tail-multicast", LK_MULTICAST, udp(f.own, f.ssdp, 1900, 1900).tail(7))
            .after(udp(f.own, f.ssdp, 1900, 1900).first(7));
        // Other protocols without ports of their own kind.
        add("tail-esp", LK_GATEWAY, other(f.own, f.gw_esp, 50, 40).tail(7))
            .after(other(f.own, f.gw_esp, 50, 40).first(7));
    }
    const Family &v6 = families()[1];
    const Packet gateway = udp(v6.own, v6.gw_udp, 1000, 1194, 600);
    // The fragment header names destination options in the first and in the tail.
    t.add("fragment.options-behind.v6", "F", LK_GATEWAY, other(v6.own, v6.gw_udp, 60, 100).tail(7))
        .after(gateway.first(7).with_after({{60, 8, {}}}));
    t.add("fragment.options-behind-udp-tail.v6", "F", LK_FRAGMENT, gateway.tail(7))
        .after(gateway.first(7).with_after({{60, 8, {}}}));
    t.add("fragment.options-before.v6", "F", LK_GATEWAY, gateway.tail(7).with_before({{60, 8, {}}}))
        .after(gateway.first(7).with_before({{0, 8, {}}}));
    t.add("fragment.id-32-bits.v6", "F", LK_FRAGMENT, gateway.tail(0x10007)).after(gateway.first(7));
    t.add("fragment.id-32-bits-same.v6", "F", LK_GATEWAY, gateway.tail(0x10007))
        .after(gateway.first(0x10007));
    t.add("fragment.any-source-tail.v6", "3", LK_SOURCE, icmp6("::", "ff02::2", 133).hops(255).tail(7));
}

} // namespace lk
