// SPDX-License-Identifier: MIT
// Rows 3 and 4: the source address and the VPN daemon.
#include "cases/table.h"

namespace lk {

namespace {

const World &strict() {
    static const World world = with([](World &w) { w.policy.strict = true; });
    return world;
}

} // namespace

void rows_source(Table &t) {
    for (const Family &f : families()) {
        const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                             const Packet &p) -> Spec & { return t.add(name + "." + f.tag, row, reason, p); };
        add("source.own", "10", LK_LAN, udp(f.own, f.lan, 1000, 2000));
        add("source.own-public", "10", LK_LAN, udp(f.own_public, f.lan, 1000, 2000));
        add("source.stranger", "3", LK_SOURCE, udp(f.stranger, f.lan, 1000, 2000));
        add("source.tunnel-address", "3", LK_SOURCE, udp(f.tunnel, f.gw_any, 1000, 2000));
        add("source.tunnel-address-reset", "3", LK_SOURCE, tcp(f.tunnel, f.lan, 1000, 2000));
        add("source.lan-neighbour", "3", LK_SOURCE, udp(f.lan, f.router, 1000, 2000));
        add("source.any", "3", LK_SOURCE, udp(f.any, f.lan, 1000, 2000));
        add("source.any-gateway", "3", LK_SOURCE, udp(f.any, f.gw_any, 1000, 2000));
        add("source.any-port-53", "3", LK_SOURCE, udp(f.any, f.internet, 1000, 53));
        add("source.stranger-gateway", "3", LK_SOURCE, udp(f.stranger, f.gw_any, 1000, 2000));
        add("source.stranger-daemon", "3", LK_SOURCE, udp(f.stranger, f.internet, 1000, 2000))
            .by(daemon_sender);
        add("source.stranger-tail", "3", LK_SOURCE, udp(f.stranger, f.lan, 1000, 2000).tail(1));
        add("source.stranger-local-53", "3", LK_SOURCE, udp(f.stranger, f.internet, 1000, 53));
        add("source.forwarded", "3", LK_SOURCE, udp(f.stranger, f.internet, 1000, 443)).by(forwarded);
        add("source.forwarded-lan", "3", LK_SOURCE, udp(f.stranger, f.lan, 1000, 443)).by(forwarded);
        add("source.forwarded-own", "10", LK_LAN, udp(f.own, f.lan, 1000, 443)).by(forwarded);
        add("source.forwarded-udp-53", "6.4", LK_DNS, udp(f.stranger, f.internet, 1000, 53))
            .by(forwarded)
            .rewritten();
        add("source.forwarded-tcp-53", "6.4", LK_DNS, tcp(f.stranger, f.lan, 1000, 53))
            .by(forwarded)
            .rewritten();
        add("source.forwarded-first-53", "6.3", LK_DNS_FORM, udp(f.stranger, f.internet, 1000, 53).first(1))
            .by(forwarded);
        add("source.forwarded-tail-53", "3", LK_SOURCE, udp(f.stranger, f.internet, 1000, 53).tail(1))
            .by(forwarded);
        add("source.forwarded-from-53", "3", LK_SOURCE, udp(f.stranger, f.internet, 53, 1000)).by(forwarded);
        add("source.forwarded-udplite-53", "3", LK_SOURCE, udp(f.stranger, f.internet, 1000, 53).proto(136))
            .by(forwarded);
        add("source.forwarded-853", "3", LK_SOURCE, udp(f.stranger, f.lan, 1000, 853)).by(forwarded);
        add("source.forwarded-any-53", "6.3", LK_DNS_FORM, udp(f.any, f.internet, 1000, 53)).by(forwarded);
        add("source.forwarded-53-gateway", "6.4", LK_DNS, udp(f.stranger, f.gw_dns, 1000, 53))
            .by(forwarded)
            .rewritten();
        add("source.forwarded-own-53-gateway", "5", LK_GATEWAY, udp(f.own, f.gw_dns, 1000, 53)).by(forwarded);
        add("source.forwarded-53-any-gateway", "6.4", LK_DNS, udp(f.stranger, f.gw_any, 1000, 53))
            .by(forwarded)
            .rewritten();

        add("daemon.internet", "4", LK_VPN_DAEMON, udp(f.own, f.internet, 1000, 443)).by(daemon_sender);
        add("daemon.not", "12", LK_NOT_ALLOWED, udp(f.own, f.internet, 1000, 443));
        add("daemon.port-53", "4", LK_VPN_DAEMON, udp(f.own, f.internet, 1000, 53)).by(daemon_sender);
        add("daemon.tcp", "4", LK_VPN_DAEMON, tcp(f.own, f.internet, 1000, 443)).by(daemon_sender);
        add("daemon.lan", "4", LK_VPN_DAEMON, udp(f.own, f.lan, 1000, 443)).by(daemon_sender);
        add("daemon.gateway", "4", LK_VPN_DAEMON, udp(f.own, f.gw_any, 1000, 443)).by(daemon_sender);
        add("daemon.other-protocol", "4", LK_VPN_DAEMON, other(f.own, f.internet, 47)).by(daemon_sender);
        add("daemon.first", "4", LK_VPN_DAEMON, udp(f.own, f.internet, 1000, 443).first(1)).by(daemon_sender);
        add("daemon.tail-alone", "4", LK_VPN_DAEMON, udp(f.own, f.internet, 1000, 443).tail(1))
            .by(daemon_sender);

        // --strict: towards gateways only.
        add("daemon.strict-gateway", "4", LK_VPN_DAEMON, udp(f.own, f.gw_any, 1000, 443))
            .by(daemon_sender)
            .in(strict());
        add("daemon.strict-gateway-port", "4", LK_VPN_DAEMON, tcp(f.own, f.gw_port, 1000, 443))
            .by(daemon_sender)
            .in(strict());
        add("daemon.strict-wrong-port", "12", LK_NOT_ALLOWED, tcp(f.own, f.gw_port, 1000, 444))
            .by(daemon_sender)
            .in(strict());
        add("daemon.strict-internet", "12", LK_NOT_ALLOWED, udp(f.own, f.internet, 1000, 443))
            .by(daemon_sender)
            .in(strict());
        add("daemon.strict-lan", "10", LK_LAN, udp(f.own, f.lan, 1000, 443)).by(daemon_sender).in(strict());
        add("daemon.strict-gateway-53", "6.4", LK_DNS, udp(f.own, f.gw_any, 1000, 53))
            .by(daemon_sender)
            .in(strict())
            .rewritten();
        add("daemon.strict-named-53", "4", LK_VPN_DAEMON, udp(f.own, f.gw_dns, 1000, 53))
            .by(daemon_sender)
            .in(strict());
        add("daemon.strict-first", "4", LK_VPN_DAEMON, udp(f.own, f.gw_udp, 1000, 1194).first(1))
            .by(daemon_sender)
            .in(strict());
        add("daemon.strict-tail-alone", "F", LK_FRAGMENT, udp(f.own, f.gw_udp, 1000, 1194).tail(1))
            .by(daemon_sender)
            .in(strict());
        add("daemon.strict-tail-known", "F", LK_VPN_DAEMON, udp(f.own, f.gw_udp, 1000, 1194).tail(1))
            .by(daemon_sender)
            .in(strict())
            .after(udp(f.own, f.gw_udp, 1000, 1194).first(1), daemon_sender);
        add("daemon.tail-by-another", "F", LK_VPN_DAEMON, udp(f.own, f.internet, 1000, 443).tail(1))
            .after(udp(f.own, f.internet, 1000, 443).first(1), daemon_sender);
    }
}

} // namespace lk
