// SPDX-License-Identifier: MIT
// Rows 6 and 7: names.
#include "cases/table.h"

namespace lk {

void rows_dns(Table &t) {
    static const World names = with([](World &w) { w.policy.lan_names = true; });
    static const World no_lan = with([](World &w) { w.policy.no_lan = true; });
    static const World silent = with([](World &w) { w.policy.action = Action::drop; });
    for (const Family &f : families()) {
        const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                             const Packet &p) -> Spec & {
            return t.add("dns." + name + "." + f.tag, row, reason, p);
        };
        add("udp-router", "6.4", LK_DNS, udp(f.own, f.router, 1000, 53)).rewritten();
        add("tcp-router", "6.4", LK_DNS, tcp(f.own, f.router, 1000, 53)).rewritten();
        add("udp-internet", "6.4", LK_DNS, udp(f.own, f.internet, 1000, 53)).rewritten();
        add("tcp-internet", "6.4", LK_DNS, tcp(f.own, f.internet, 1000, 53)).rewritten();
        add("udp-resolver", "6.4", LK_DNS, udp(f.own, f.resolver, 1000, 53)).rewritten();
        add("udp-on-link", "6.4", LK_DNS, udp(f.own, f.on_link, 1000, 53)).rewritten();
        add("udp-own", "6.4", LK_DNS, udp(f.own, f.own, 1000, 53)).rewritten();
        add("udp-multicast", "6.3", LK_DNS_FORM, udp(f.own, f.mdns, 1000, 53));
        add("udp-lan-names", "6.4", LK_DNS, udp(f.own, f.router, 1000, 53)).in(names).rewritten();
        add("silent", "6.4", LK_DNS, udp(f.own, f.router, 1000, 53)).in(silent).rewritten();
        add("port-52", "10", LK_LAN, udp(f.own, f.router, 1000, 52));
        add("port-54", "10", LK_LAN, udp(f.own, f.router, 1000, 54));
        add("from-53", "10", LK_LAN, udp(f.own, f.router, 53, 1000));
        add("udplite-53", "10", LK_LAN, udp(f.own, f.router, 1000, 53).proto(136));
        add("sctp-53", "10", LK_LAN, other(f.own, f.router, 132).patch(0, {0, 53, 0, 53}));
        if (f.tag == "v6")
            add("udp-with-headers", "6.3", LK_DNS_FORM,
                udp(f.own, f.router, 1000, 53).with_before({{60, 24, {}}}));
        else
            add("udp-ttl", "6.4", LK_DNS, udp(f.own, f.router, 1000, 53).hops(1)).rewritten();
        add("udp-from-port-0", "6.3", LK_DNS_FORM, udp(f.own, f.router, 0, 53));
        add("udp-first", "6.3", LK_DNS_FORM, udp(f.own, f.router, 1000, 53).first(9));
        add("no-resolver", "6.1", LK_DNS_NO_RESOLVER, udp(f.own, f.internet, 1000, 53)).in(with([](World &w) {
            w.policy.resolvers.clear();
        }));
        add("no-resolver-first", "6.1", LK_DNS_NO_RESOLVER, udp(f.own, f.internet, 1000, 53).first(9))
            .in(with([](World &w) { w.policy.resolvers.clear(); }));
        add("no-tunnel", "6.2", LK_DNS_NO_TUNNEL, tcp(f.own, f.internet, 1000, 53)).in(with([](World &w) {
            w.tunnels.clear();
        }));
        add("no-tunnel-first", "6.2", LK_DNS_NO_TUNNEL, udp(f.own, f.internet, 1000, 53).first(9))
            .in(with([](World &w) { w.tunnels.clear(); }));

        add("dot-router", "7.1", LK_DNS, tcp(f.own, f.router, 1000, 853));
        add("doq-lan", "7.1", LK_DNS, udp(f.own, f.lan, 1000, 853));
        add("dot-lan-names", "7.1", LK_DNS, tcp(f.own, f.router, 1000, 853)).in(names);
        add("dot-no-lan", "7.1", LK_DNS, tcp(f.own, f.router, 1000, 853)).in(no_lan);
        add("dot-internet", "12", LK_NOT_ALLOWED, tcp(f.own, f.internet, 1000, 853));
        add("dot-on-link-public", "12", LK_NOT_ALLOWED, tcp(f.own, f.on_link, 1000, 853));
        add("port-852", "10", LK_LAN, tcp(f.own, f.router, 1000, 852));
        add("port-854", "10", LK_LAN, tcp(f.own, f.router, 1000, 854));
        for (const unsigned port : {137u, 138u, 5355u}) {
            const std::string n = std::to_string(port);
            add("names-" + n + "-udp-lan", "7.2", LK_DNS, udp(f.own, f.lan, 1000, port));
            add("names-" + n + "-tcp-lan", "7.2", LK_DNS, tcp(f.own, f.lan, 1000, port));
            add("names-" + n + "-internet", "7.2", LK_DNS, udp(f.own, f.internet, 1000, port));
            add("names-" + n + "-group", "7.2", LK_DNS, udp(f.own, f.llmnr, 1000, port));
            add("names-" + n + "-first", "7.2", LK_DNS, udp(f.own, f.lan, 1000, port).first(1));
            add("names-" + n + "-allowed", "10", LK_LAN, udp(f.own, f.lan, 1000, port)).in(names);
            add("names-" + n + "-allowed-internet", "12", LK_NOT_ALLOWED, udp(f.own, f.internet, 1000, port))
                .in(names);
            add("names-" + n + "-source", "10", LK_LAN, udp(f.own, f.lan, port, 1000));
        }
        add("names-136", "10", LK_LAN, udp(f.own, f.lan, 1000, 136));
        add("names-139", "10", LK_LAN, tcp(f.own, f.lan, 1000, 139));
        add("names-5354", "10", LK_LAN, udp(f.own, f.lan, 1000, 5354));
        add("names-no-lan", "12", LK_NOT_ALLOWED, udp(f.own, f.lan, 1000, 137)).in(with([](World &w) {
            w.policy.lan_names = w.policy.no_lan = true;
        }));
    }
    const auto add = [&](const char *name, lk_reason reason, bool v6, std::size_t resolver,
                         std::size_t tunnel) -> Spec & {
        World w = laptop();
        w.policy.resolvers = {w.policy.resolvers.at(resolver)};
        w.tunnels = {w.tunnels.at(tunnel)};
        const Family &f = families().at(v6);
        const char *row = reason == LK_DNS ? "6.4" : reason == LK_DNS_NO_TUNNEL ? "6.2" : "6.1";
        return t.add(std::string("dns.") + name, row, reason, udp(f.own, f.internet, 1000, 53)).in(w);
    };
    add("v6-by-v4-resolver", LK_DNS, true, 0, 0).rewritten();
    add("v6-by-v4-resolver-v6-tunnel", LK_DNS_NO_TUNNEL, true, 0, 1);
    add("v4-by-v6-resolver", LK_DNS_NO_RESOLVER, false, 1, 1);
    add("v6-by-v6-resolver-v4-tunnel", LK_DNS_NO_TUNNEL, true, 1, 0);
    t.add("dns.from-broadcast", "6.3", LK_DNS_FORM, udp("255.255.255.255", "203.0.113.99", 1000, 53))
        .by(forwarded);
    t.add("dns.netbios-broadcast", "7.2", LK_DNS, udp("192.168.1.10", "192.168.1.255", 137, 137));
    t.add("dns.netbios-broadcast-allowed", "10", LK_LAN, udp("192.168.1.10", "192.168.1.255", 137, 137))
        .in(names);
}

} // namespace lk
