// SPDX-License-Identifier: MIT
// Row 5: gateways.
#include "cases/table.h"

namespace lk {

namespace {

const World &strict() {
    static const World world = with([](World &w) {
        w.policy.strict = true;
        w.policy.vpn_mark = Fwmark{0x51, 0xff};
        for (const char *text : {"203.0.113.9:4433/tcp", "[2001:db8:9::9]:4433/tcp"})
            w.policy.gateways.push_back(*Gateway::parse(text));
    });
    return world;
}

const World &strict_without_mark() {
    static const World world = with([](World &w) { w.policy.strict = true; });
    return world;
}

void strict_rows(Table &t, const Family &f) {
    const auto add = [&](const std::string &name, lk_reason reason, const Packet &p,
                         const Sender &s) -> Spec & {
        return t.add("strict." + name + "." + f.tag, "5", reason, p).in(strict()).by(s);
    };
    const auto refused = [&](const std::string &name, const Packet &p, const Sender &s) -> Spec & {
        return t.add("strict." + name + "." + f.tag, "12", LK_NOT_ALLOWED, p).in(strict()).by(s);
    };
    const Packet named = udp(f.own, f.gw_udp, 1000, 1194);
    add("marked-named", LK_GATEWAY, named, marked);
    refused("unmarked-named", named, local);
    refused("wrong-mark", named, marked_elsewhere);
    add("mark-beyond-mask", LK_GATEWAY, named, {false, false, 0xabcd51});
    refused("mark-cut-by-mask", named, {false, false, 0x5100});
    add("forwarded-marked", LK_GATEWAY, named, {false, true, 0x51});
    refused("marked-any-entry", udp(f.own, f.gw_any, 1000, 1194), marked);
    refused("marked-port-only", tcp(f.own, f.gw_port, 1000, 443), marked);
    add("marked-tcp-named", LK_GATEWAY, tcp(f.own, f.gw_port, 1000, 4433), marked);
    refused("marked-tcp-as-udp", udp(f.own, f.gw_port, 1000, 4433), marked);
    add("marked-esp", LK_GATEWAY, other(f.own, f.gw_esp, 50, 40), marked);
    refused("unmarked-esp", other(f.own, f.gw_esp, 50, 40), local);
    add("marked-prefix", LK_GATEWAY, udp(f.own, f.gw_net, 1000, 500), marked);
    add("marked-named-53", LK_GATEWAY, udp(f.own, f.gw_dns, 1000, 53), marked);
    t.add("strict.unmarked-named-53." + f.tag, "6.4", LK_DNS, udp(f.own, f.gw_dns, 1000, 53))
        .in(strict())
        .rewritten();
    refused("no-mark-in-policy", named, marked).in(strict_without_mark());
    refused("no-mark-in-policy-0", named, local).in(strict_without_mark());
    add("marked-first", LK_GATEWAY, named.first(1), marked);
    t.add("strict.marked-tail." + f.tag, "F", LK_FRAGMENT, named.tail(1)).in(strict()).by(marked);
    t.add("strict.unmarked-tail-known." + f.tag, "F", LK_GATEWAY, named.tail(1))
        .in(strict())
        .after(named.first(1), marked);
}

} // namespace

void rows_gateway(Table &t) {
    for (const Family &f : families()) {
        const auto yes = [&](const std::string &name, const Packet &p) -> Spec & {
            return t.add("gateway." + name + "." + f.tag, "5", LK_GATEWAY, p);
        };
        const auto no = [&](const std::string &name, const Packet &p) -> Spec & {
            return t.add("gateway." + name + "." + f.tag, "12", LK_NOT_ALLOWED, p);
        };
        const auto dns = [&](const std::string &name, const Packet &p) -> Spec & {
            return t.add("gateway." + name + "." + f.tag, "6.4", LK_DNS, p).rewritten();
        };
        yes("any-udp", udp(f.own, f.gw_any, 1000, 1194));
        yes("any-udp-port-0", udp(f.own, f.gw_any, 1000, 0));
        yes("any-udp-52", udp(f.own, f.gw_any, 1000, 52));
        yes("any-udp-54", udp(f.own, f.gw_any, 1000, 54));
        yes("any-udp-853", udp(f.own, f.gw_any, 1000, 853));
        yes("any-llmnr", udp(f.own, f.gw_any, 1000, 5355));
        yes("any-tcp", tcp(f.own, f.gw_any, 1000, 443));
        yes("any-from-53", udp(f.own, f.gw_any, 53, 1000));
        dns("any-udp-53", udp(f.own, f.gw_any, 1000, 53));
        dns("any-tcp-53", tcp(f.own, f.gw_any, 1000, 53));
        yes("any-udplite-53", udp(f.own, f.gw_any, 1000, 53).proto(136));
        yes("any-esp", other(f.own, f.gw_any, 50, 40));
        yes("any-gre", other(f.own, f.gw_any, 47, 40));
        yes("any-echo", f.tag == "v4" ? icmp(f.own, f.gw_any, 8) : icmp6(f.own, f.gw_any, 128));
        yes("any-forwarded", udp(f.own, f.gw_any, 1000, 1194)).by(forwarded);
        yes("any-no-lan", udp(f.own, f.gw_any, 1000, 1194)).in(with([](World &w) {
            w.policy.no_lan = true;
        }));
        yes("udp", udp(f.own, f.gw_udp, 1000, 1194));
        no("udp-next-port", udp(f.own, f.gw_udp, 1000, 1195));
        no("udp-swapped-port", udp(f.own, f.gw_udp, 1194, 1000));
        no("udp-as-tcp", tcp(f.own, f.gw_udp, 1000, 1194));
        no("udp-as-udplite", udp(f.own, f.gw_udp, 1000, 1194).proto(136));
        no("udp-as-echo", f.tag == "v4" ? icmp(f.own, f.gw_udp, 8) : icmp6(f.own, f.gw_udp, 128));
        no("udp-byte-order", udp(f.own, f.gw_udp, 1000, 0xaa04));
        dns("udp-53", udp(f.own, f.gw_udp, 1000, 53));
        yes("port-udp", udp(f.own, f.gw_port, 1000, 443));
        yes("port-tcp", tcp(f.own, f.gw_port, 1000, 443));
        no("port-sctp", other(f.own, f.gw_port, 132).patch(0, {3, 232, 1, 187}));
        no("port-other", tcp(f.own, f.gw_port, 1000, 442));
        yes("esp", other(f.own, f.gw_esp, 50, 40));
        no("esp-as-ah-less", other(f.own, f.gw_esp, 47, 40));
        no("esp-as-udp-4500", udp(f.own, f.gw_esp, 4500, 4500));
        no("esp-port-0", udp(f.own, f.gw_esp, 0, 0));
        yes("named-53", udp(f.own, f.gw_dns, 1000, 53));
        dns("named-53-as-tcp", tcp(f.own, f.gw_dns, 1000, 53));
        no("named-53-other-port", udp(f.own, f.gw_dns, 1000, 54));
        yes("prefix-last", udp(f.own, f.gw_net, 1000, 500));
        no("prefix-beyond", udp(f.own, f.gw_beyond, 1000, 500));
        no("prefix-other-port", udp(f.own, f.gw_net, 1000, 501));
        yes("nested-own-port", udp(f.own, f.gw_nested, 1000, 4500));
        yes("nested-wider-port", udp(f.own, f.gw_nested, 1000, 500));
        no("nested-no-port", udp(f.own, f.gw_nested, 1000, 501));
        no("prefix-nested-port", udp(f.own, f.gw_net, 1000, 4500));
        yes("on-link", udp(f.own_public, f.on_link_gateway, 1000, 1194));
        no("on-link-other-port", udp(f.own_public, f.on_link_gateway, 1000, 1195));
        no("neighbour-of-gateway", udp(f.own, f.stranger, 1000, 1194));
        no("resolver", udp(f.own, f.resolver, 1000, 1194));
        no("next-hop-is-none", udp(f.own, f.tag == "v4" ? "203.0.113.1" : "2001:db8:9::1", 1000, 443));
        yes("in-lan-too", udp(f.own, f.lan, 1000, 2000)).in(with([](World &w) {
            for (const char *text : {"192.168.1.20:2000/udp", "[fd00:1::20]:2000/udp"})
                w.policy.gateways.push_back(*Gateway::parse(text));
        }));
        static const World many = with([](World &w) {
            w.policy.gateways.clear();
            for (unsigned port = 2000; port < 2012; ++port)
                for (const char *a : {"203.0.113.7:", "[2001:db8:9::7]:"})
                    w.policy.gateways.push_back(
                        *Gateway::parse(a + std::to_string(port) + (port % 2 ? "/udp" : "")));
        });
        yes("twelve-ports-first", udp(f.own, f.gw_any, 1000, 2000)).in(many);
        yes("twelve-ports-last", udp(f.own, f.gw_any, 1000, 2011)).in(many);
        yes("twelve-ports-tcp", tcp(f.own, f.gw_any, 1000, 2010)).in(many);
        no("twelve-ports-beyond", udp(f.own, f.gw_any, 1000, 2012)).in(many);
        no("twelve-ports-wrong-protocol", tcp(f.own, f.gw_any, 1000, 2011)).in(many);
        static const World wide = with([](World &w) {
            w.policy.gateways.clear();
            for (const char *text :
                 {"203.0.0.0/9", "203.0.113.53:53", "2001:db8::/33", "[2001:db8:9::53]:53"})
                w.policy.gateways.push_back(*Gateway::parse(text));
        });
        yes("any-prefix", udp(f.own, f.tag == "v4" ? "203.127.255.255" : "2001:db8:7fff::1", 1000, 1))
            .in(wide);
        no("any-prefix-beyond", udp(f.own, f.tag == "v4" ? "203.128.0.0" : "2001:db8:8000::", 1000, 1))
            .in(wide);
        dns("any-prefix-53", udp(f.own, f.gw_any, 1000, 53)).in(wide);
        yes("any-prefix-host-53", tcp(f.own, f.gw_dns, 1000, 53)).in(wide);
        yes("any-prefix-host-other", other(f.own, f.gw_dns, 47)).in(wide);
        static const World none = with([](World &w) {
            w.policy.gateways.clear();
            w.policy.lockdown = true;
        });
        no("lockdown", udp(f.own, f.gw_any, 1000, 1194)).in(none);
        strict_rows(t, f);
    }
}

} // namespace lk
