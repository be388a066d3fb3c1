// SPDX-License-Identifier: MIT
// Group forwarding: containers and virtual machines behind the host. That each kind of socket is tried from a
// container, masqueraded and not, is the other groups' doing; here is what only they can do.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

Bytes upper_of(const Env &env, std::uint8_t protocol, const Ip &from, const Ip &to) {
    if (protocol == IPPROTO_UDP) return udp(from, to, 4000, env.port, env.payload(64));
    if (protocol == IPPROTO_TCP) return tcp(from, to, 4000, env.port, SYN);
    return echo_request(from, to, 3, env.payload(56));
}

std::uint8_t echo_protocol(const Env &env) {
    return env.family == 4 ? 1 : 58;
}

// A frame from the container that claims FROM as its source.
void claims_source(const Env &env, const Ip &from, const Ip &to, std::uint8_t protocol) {
    inject(env.seat.device, {env.ip_frame(ip(from, to, protocol, upper_of(env, protocol, from, to)))});
}

// A virtual machine: what it sends is written into a tap by the process that holds it.
std::string from_tap(Env &env, std::uint8_t protocol) {
    const Netns &host = env.world.host();
    Puppet machine({.netns = host.fd()}, [&](const std::function<void()> &next) {
        Fd tap(must(open("/dev/net/tun", O_RDWR | O_CLOEXEC), "tun"));
        ifreq request{};
        request.ifr_flags = IFF_TAP | IFF_NO_PI;
        strncpy(request.ifr_name, "lktap", IFNAMSIZ - 1);
        must(ioctl(tap.get(), TUNSETIFF, &request), "making a tap");
        next(); // addresses are set
        Ip from = env.pick(Ip::of("10.11.0.2"), Ip::of("2001:db8:11::2"));
        Bytes packet = ip(from, env.dst, protocol, upper_of(env, protocol, from, env.dst));
        Bytes frame = ethernet(Bytes("\x02\0\0\0\x11\x01", 6), Bytes("\x02\0\0\0\x11\x02", 6),
                               env.family == 4 ? 0x0800 : 0x86dd, packet);
        must(write(tap.get(), frame.data(), frame.size()), "sending into the tap");
        next();
    });
    host.ip("link set lktap address 02:00:00:00:11:01 addrgenmode none\nlink set lktap up\n"
            "addr add 10.11.0.1/24 dev lktap\naddr add 2001:db8:11::1/64 dev lktap nodad");
    return machine.step();
}

// The container is a port of the bridge that the uplink is a port of.
Sight bridged_container(Guard &guard, int family, std::uint8_t protocol, bool to_gateway) {
    World world({.name = "bridge", .container = false, .bridged = true});
    Netns guest("lk-bridge-guest");
    world.host().ip(
        fmt::format("link add vguest type veth peer name eth0 address 02:00:00:00:09:0a netns {}\n"
                    "link set vguest addrgenmode none master br0 up",
                    guest.name()));
    guest.ip("link set eth0 addrgenmode none\nlink set eth0 up\naddr add 10.9.0.10/24 dev eth0\n"
             "addr add 2001:db8:9::a/64 dev eth0 nodad\nroute add default via 10.9.0.1\n"
             "route add default via 2001:db8:9::1\n"
             "neigh add 10.9.0.1 lladdr 02:00:00:00:09:01 dev eth0 nud permanent\n"
             "neigh add 2001:db8:9::1 lladdr 02:00:00:00:09:01 dev eth0 nud permanent");
    if (!eventually([&] {
            Output links = run({"bridge", "link"}, {.netns = world.host().fd()});
            return links.out.find("vguest") != Bytes::npos && links.out.find("learning") == Bytes::npos &&
                   links.out.find("listening") == Bytes::npos && links.out.find("disabled") == Bytes::npos;
        }))
        throw std::runtime_error("the bridge does not forward");
    guard.attach(world);
    Bytes token = fmt::format("lk<bridged-{}-{:02}>", family, protocol);
    Ip from = Ip::of(family == 4 ? "10.9.0.10" : "2001:db8:9::a");
    Ip to = Ip::of(family == 4 ? "203.0.113.200" : "2001:db8:f:8888::1");
    if (to_gateway) to = family == 4 ? gateway4 : gateway6;
    Mark mark;
    mark.bytes(token);
    mark.flow(to, 4242);
    Bytes upper = protocol == IPPROTO_UDP   ? udp(from, to, 4000, 4242, token)
                  : protocol == IPPROTO_TCP ? tcp(from, to, 4000, 4242, SYN)
                                            : echo_request(from, to, 4, token);
    Bytes frame = ethernet(Bytes("\x02\0\0\0\x09\x01", 6), Bytes("\x02\0\0\0\x09\x0a", 6),
                           family == 4 ? 0x0800 : 0x86dd, ip(from, to, protocol, upper));
    guest.inside([&] { inject("eth0", {frame}); });
    return look(world, {mark}, "");
}

} // namespace

void add_forwarding_cases(Matrix &matrix) {
    auto add = [&](const char *name, std::function<std::string(Env &)> run, std::vector<Who> who) {
        Vector vector{.group = "forwarding", .name = name, .run = std::move(run)};
        vector.who = std::move(who);
        matrix.add(vector);
    };
    struct Kind {
        const char *name;
        std::uint8_t protocol; // 0: echo of the family
    };
    for (Kind kind : {Kind{"udp", IPPROTO_UDP}, Kind{"tcp", IPPROTO_TCP}, Kind{"echo", 0}}) {
        auto protocol = [kind](const Env &env) { return kind.protocol ? kind.protocol : echo_protocol(env); };
        add(fmt::format("virtual_machine_{}", kind.name).c_str(),
            [=](Env &env) { return from_tap(env, protocol(env)); }, {Who::root});
        add(fmt::format("container_claims_the_hosts_source_{}", kind.name).c_str(),
            by_sender([=](const Env &env) {
                claims_source(env, env.pick(Ip::of("10.9.0.9"), Ip::of("2001:db8:9::9")), env.dst,
                              protocol(env));
            }),
            {Who::routed});
        add(fmt::format("container_claims_a_foreign_source_{}", kind.name).c_str(),
            by_sender([=](const Env &env) {
                claims_source(env, env.pick(Ip::of("203.0.113.99"), Ip::of("2001:db8:f:7fff::9")), env.dst,
                              protocol(env));
            }),
            {Who::routed});
        add(fmt::format("container_unmasked_to_a_gateway_{}", kind.name).c_str(),
            [=](Env &env) {
                Ip to = env.pick(gateway4, gateway6);
                env.mark.flow(to, env.port);
                return env.sender([&] { claims_source(env, env.source(), to, protocol(env)); });
            },
            {Who::routed});
        for (bool to_gateway : {false, true})
            matrix.add_special(
                "forwarding",
                fmt::format("container_bridged_{}{}", kind.name, to_gateway ? "_to_a_gateway" : ""),
                [kind, to_gateway](Guard &guard, int family) {
                    return bridged_container(guard, family,
                                             kind.protocol ? kind.protocol
                                             : family == 4 ? 1
                                                           : 58,
                                             to_gateway);
                });
    }
}

} // namespace lk::harness
