// SPDX-License-Identifier: MIT
// Row P: the router alone, its ports alone, until the deadline alone.
#include "cases/table.h"

namespace lk {

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t clock_begins_ns = 1;

World opened(
    std::uint64_t seconds, void (*change)(World &) = [](World &) {}) {
    World world = with(change);
    for (const char *router : {"192.168.1.1", "fe80::1"})
        world.routers.push_back(Address::parse(router).value());
    world.portal_until_ns = clock_begins_ns + seconds * second_ns;
    return world;
}

} // namespace

void rows_portal(Table &t) {
    static const World open = opened(300);
    static const World no_tunnel = opened(300, [](World &w) { w.tunnels.clear(); });
    static const World carved = opened(300, [](World &w) {
        w.tunnels.clear();
        for (const char *router : {"192.168.1.1", "fe80::1"})
            w.policy.resolvers.push_back(Resolver::parse(router).value());
    });
    static const World within_a_tunnel = opened(300, [](World &w) {
        w.policy.lockdown = w.policy.no_lan = true;
        w.tunnels.push_back({Address::parse("192.168.1.77").value(), 24});
    });
    static const World longest = opened(1800), too_long = opened(1860, [](World &w) { w.tunnels.clear(); });
    static const World lockdown = opened(300, [](World &w) {
        w.policy.gateways.clear();
        w.policy.vpn_users.clear();
        w.policy.lockdown = w.policy.no_lan = true;
    });
    static const World lockdown_no_tunnel = opened(300, [](World &w) {
        w.policy.gateways.clear();
        w.policy.vpn_users.clear();
        w.policy.lockdown = w.policy.no_lan = true;
        w.tunnels.clear();
    });
    static const World strict = opened(300, [](World &w) { w.policy.strict = w.policy.no_lan = true; });
    static const World no_resolver = opened(300, [](World &w) { w.policy.resolvers.clear(); });
    static const World closed = with([](World &w) { w.policy.no_lan = true; });
    for (const Family &f : families()) {
        const auto add = [&](const std::string &name, const char *row, lk_reason reason,
                             const Packet &p) -> Spec & {
            return t.add("portal." + name + "." + f.tag, row, reason, p).in(open);
        };
        // The router's own family of addresses: fe80::1 is reached from a link-local one or any other own
        // one.
        const Packet query = udp(f.own, f.router, 1000, 53), http = tcp(f.own, f.router, 1000, 80),
                     https = tcp(f.own, f.router, 1000, 443);
        add("dns", "6.4", LK_DNS, query).rewritten();
        add("dns-tcp", "6.4", LK_DNS, tcp(f.own, f.router, 1000, 53)).rewritten();
        add("dns-no-tunnel", "P", LK_PORTAL, query).in(no_tunnel);
        add("dns-tcp-no-tunnel", "P", LK_PORTAL, tcp(f.own, f.router, 1000, 53)).in(no_tunnel);
        add("dns-other-host-no-tunnel", "6.2", LK_DNS_NO_TUNNEL, udp(f.own, f.lan, 1000, 53)).in(no_tunnel);
        add("dns-of-a-resolver", "6.2", LK_DNS_NO_TUNNEL, query).in(carved);
        add("http-of-a-resolver", "12", LK_NOT_ALLOWED, http).in(carved);
        add("http", "P", LK_PORTAL, http);
        add("https", "P", LK_PORTAL, https);
        add("http-lockdown", "P", LK_PORTAL, http).in(lockdown);
        add("dns-lockdown", "P", LK_PORTAL, query).in(lockdown_no_tunnel);
        add("http-strict", "P", LK_PORTAL, http).in(strict);
        add("dns-no-resolver", "P", LK_PORTAL, query).in(no_resolver);
        add("dns-no-resolver-tcp", "P", LK_PORTAL, tcp(f.own, f.router, 1000, 53)).in(no_resolver);
        add("forwarded", "P", LK_PORTAL, http).by(forwarded);
        add("daemon", "4", LK_VPN_DAEMON, http).by(daemon_sender);

        add("closed-http", "12", LK_NOT_ALLOWED, http).in(closed);
        add("closed-dns", "6.4", LK_DNS, query).in(closed).rewritten();
        add("udp-80", "10", LK_LAN, udp(f.own, f.router, 1000, 80));
        add("udp-443-lockdown", "12", LK_NOT_ALLOWED, udp(f.own, f.router, 1000, 443)).in(lockdown);
        add("other-port", "12", LK_NOT_ALLOWED, tcp(f.own, f.router, 1000, 8080)).in(lockdown);
        add("answer-port", "12", LK_NOT_ALLOWED, tcp(f.own, f.router, 80, 1000)).in(lockdown);
        add("other-host", "12", LK_NOT_ALLOWED, tcp(f.own, f.lan, 1000, 80)).in(lockdown);
        add("internet", "12", LK_NOT_ALLOWED, tcp(f.own, f.internet, 1000, 80)).in(lockdown);
        add("dns-other-host", "6.4", LK_DNS, udp(f.own, f.lan, 1000, 53)).rewritten();
        add("foreign-source", "3", LK_SOURCE, tcp(f.internet, f.router, 1000, 80));
        add("first-fragment", "12", LK_NOT_ALLOWED, tcp(f.own, f.router, 1000, 80, 20).first(9)).in(lockdown);

        add("just-open", "P", LK_PORTAL, http).in(lockdown).gap(290);
        add("just-over", "12", LK_NOT_ALLOWED, http).in(lockdown).gap(310);
        add("dns-just-over", "6.1", LK_DNS_NO_RESOLVER, query).in(no_resolver).gap(310);
        add("longest", "P", LK_PORTAL, https).in(longest).gap(30);
        add("too-long", "12", LK_NOT_ALLOWED, tcp(f.own, f.router, 1000, 80)).in(opened(1860, [](World &w) {
            w.policy.no_lan = true;
        }));
        add("too-long-dns", "6.2", LK_DNS_NO_TUNNEL, query).in(too_long);
    }
    t.add("portal.http-of-a-tunnel", "12", LK_NOT_ALLOWED, tcp("192.168.1.10", "192.168.1.1", 1000, 80))
        .in(within_a_tunnel);
}

} // namespace lk
