// SPDX-License-Identifier: MIT
// Policies of cgroups and the link: the resolver and its tunnel, DHCP, neighbours, packets that lie about
// themselves.
#include <poll.h>
#include <sched.h>

#include "cgroup_world.h"
#include "harness/name_server.h"

using namespace lk;
using namespace lk::harness;

namespace {

[[maybe_unused]] const auto *const kept = testing::AddGlobalTestEnvironment(new ProgramsKept);

constexpr const char *gateway = "198.51.100.7", *other = "203.0.113.9", *resolver = "10.42.0.1";
constexpr const char *gateway6 = "2001:db8:7::7", *other6 = "2001:db8:9::9";
constexpr const char *box6 = "2001:db8:77::2", *router6 = "2001:db8:77::1";

// The errno of a query to a server that anybody might ask.
int ask(int type, bool connected) {
    const SockAddr to(Ip::of(other), 53);
    const Bytes query = dns_query("vpn.example.org", 1);
    const Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
    if (connected) return connect(socket.get(), to.get(), to.length) < 0 ? errno : 0;
    return sendto(socket.get(), query.data(), query.size(), 0, to.get(), to.length) < 0 ? errno : 0;
}

// The same to the resolver itself, of a raw socket.
int ask_raw(std::uint16_t port) {
    const Bytes query =
        udp(Ip::of("10.7.1.2"), Ip::of(resolver), 4000, port, dns_query("vpn.example.org", 1));
    const Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));
    const SockAddr to(Ip::of(resolver), 0);
    return sendto(socket.get(), query.data(), query.size(), 0, to.get(), to.length) < 0 ? errno : 0;
}

// What the kernel sent by the tunnel so far.
bool has_carried(const Fd &tun, const Mark &mark) {
    char packet[2048];
    for (pollfd ready{tun.get(), POLLIN, 0}; poll(&ready, 1, 2000) == 1;) {
        const auto length = read(tun.get(), packet, sizeof(packet));
        if (length <= 0) return false;
        if (mark.in(Bytes(packet, static_cast<std::size_t>(length)))) return true;
    }
    return false;
}

// By a UDP socket of that port on eth0, to the whole link; the errno.
int dhcp(const char *from, std::uint16_t sport, const char *dst, std::uint16_t dport) {
    const SockAddr at(Ip::of(from), sport), to(Ip::of(dst), dport, if_nametoindex("eth0"));
    const Fd socket(::socket(to.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    setsockopt(socket.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
    setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4);
    if (bind(socket.get(), at.get(), at.length) != 0) return -errno;
    return sendto(socket.get(), "dhcp", 4, 0, to.get(), to.length) < 0 ? errno : 0;
}

// A neighbour solicitation or advertisement by hand; the errno.
int neighbour(std::uint8_t type, const char *dst, const char *target, int hops) {
    const Bytes message = Bytes(1, static_cast<char>(type)) + Bytes(7, '\0') + Ip::of(target).bytes();
    const Fd socket(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
    for (const int option : {IPV6_UNICAST_HOPS, IPV6_MULTICAST_HOPS})
        setsockopt(socket.get(), IPPROTO_IPV6, option, &hops, sizeof(hops));
    const SockAddr to(Ip::of(dst), 0, Ip::of(dst).byte[0] == 0xff ? if_nametoindex("eth0") : 0);
    return sendto(socket.get(), message.data(), message.size(), 0, to.get(), to.length) < 0 ? errno : 0;
}

} // namespace

// With the tunnel down the default route leads to the uplink.
TEST(CgroupLink, AQueryNeverLeavesBesideTheTunnel) {
    for (const std::uint16_t port : {std::uint16_t{53}, std::uint16_t{5353}}) {
        CgroupWorld world("down");
        const Cgroup cgroup("in");
        const std::string dns = fmt::format("{}:{}", resolver, port);
        ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--dns", dns}).status, 0);
        Mark query;
        query.flow(Ip::of(resolver), port);
        {
            const Fd tun = make_tun(world.host(), "tun9");
            world.host().ip("addr add 10.42.0.2/24 dev tun9");
            EXPECT_EQ(world.inside(cgroup, [] { return ask(SOCK_DGRAM, false); }), 0);
            EXPECT_TRUE(has_carried(tun, query));
            world.host().ip("link set tun9 down");
            for (const int type : {SOCK_DGRAM, SOCK_STREAM})
                EXPECT_EQ(world.inside(cgroup, [&] { return ask(type, true); }), CgroupWorld::refused());
            EXPECT_EQ(world.inside(cgroup, [] { return ask(SOCK_DGRAM, false); }), CgroupWorld::refused());
            EXPECT_EQ(world.inside(cgroup, [&] { return ask_raw(port); }), EPERM);
        }
        const Fd elsewhere = make_tun(world.host(), "tun8"); // the calls leave it to the packet
        EXPECT_EQ(world.inside(cgroup, [] { return ask(SOCK_DGRAM, false); }), EPERM);
        world.capture().settle();
        EXPECT_EQ(world.capture().count(query), 0u);

        // A tunnel that is elsewhere: its owner says that the resolver is on the LAN.
        ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--dns", dns, "--lan", resolver}).status, 0);
        EXPECT_EQ(world.inside(cgroup, [] { return ask(SOCK_DGRAM, false); }), 0);
        EXPECT_TRUE(world.capture().awaits(query));
    }
}

TEST(CgroupLink, DhcpOfUdpSockets) {
    CgroupWorld world("dhcp");
    const Cgroup cgroup("in");
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway}).status, 0);
    const struct {
        const char *from, *dst;
        std::uint16_t client, server;
    } ways[] = {{"0.0.0.0", "255.255.255.255", 68, 67}, {"::", "ff02::1:2", 546, 547}};
    for (const auto &way : ways) {
        Mark mark;
        mark.flow(Ip::of(way.dst), way.server);
        const auto from_port = [&](std::uint16_t port) {
            return world.inside(cgroup, [&] { return dhcp(way.from, port, way.dst, way.server); });
        };
        EXPECT_EQ(from_port(5460), CgroupWorld::refused()) << way.dst;
        world.capture().settle();
        EXPECT_EQ(world.capture().count(mark), 0u) << way.dst;
        EXPECT_EQ(from_port(way.client), 0) << way.dst;
        EXPECT_TRUE(world.capture().awaits(mark)) << way.dst;
    }
}

// The kernel's own sockets of such a namespace belong to the cgroup, too.
TEST(CgroupLink, NeighboursOfANamespaceThatWasMadeInside) {
    CgroupWorld world("nd");
    const Cgroup cgroup("in");
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway6}).status, 0);
    const Puppet box({.netns = world.host().fd()}, [&](const std::function<void()> &next) {
        cgroup.enter();
        if (unshare(CLONE_NEWNET) != 0) throw std::runtime_error("unshare");
        next();
    });
    const Fd netns(open(fmt::format("/proc/{}/ns/net", box.pid()).c_str(), O_RDONLY | O_CLOEXEC));
    world.far().ip(fmt::format("link add box type veth peer name eth0 netns {}\nlink set box up\n"
                               "addr add {}/64 dev box nodad",
                               box.pid(), router6));
    const auto ip_of_box = [&](const std::string &lines) {
        const Output done = run({"ip", "-batch", "-"}, {.netns = netns.get(), .input = lines});
        EXPECT_EQ(done.status, 0) << lines << done.err;
        return done.out;
    };
    ip_of_box(fmt::format("link set lo up\nlink set eth0 up\naddr add {}/64 dev eth0\n"
                          "route add default via {}\n",
                          box6, router6));
    Mark is_it_taken; // from nobody to the solicited node
    is_it_taken.bytes(Bytes(16, '\0') + Ip::of("ff02::1:ff00:2").bytes());
    EXPECT_TRUE(world.capture().awaits(is_it_taken));
    ASSERT_TRUE(eventually(
        [&] { return ip_of_box("addr show dev eth0 tentative\n").find(box6) == std::string::npos; }));

    Mark by_router;
    by_router.bytes("by the router");
    const auto to_gateway = [] {
        const SockAddr to(Ip::of(gateway6), 4000);
        const Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        return sendto(socket.get(), "by the router", 13, 0, to.get(), to.length) < 0 ? errno : 0;
    };
    EXPECT_EQ(world.inside(cgroup, to_gateway, netns.get()), 0);
    EXPECT_TRUE(world.capture().awaits(by_router)); // it found the router
    EXPECT_FALSE(world.datagram(cgroup, other6, false, netns.get()).arrived);

    // And it is found.
    world.far().ip("neigh flush dev box");
    world.far().inside([] {
        const SockAddr to(Ip::of(box6), 4000);
        const Fd socket(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sendto(socket.get(), "probe", 5, 0, to.get(), to.length);
    });
    EXPECT_TRUE(eventually([&] {
        return run({"ip", "-6", "neigh", "show", box6, "dev", "box"}, {.netns = world.far().fd()})
                   .out.find("REACHABLE") != std::string::npos;
    }));

    // By hand: on the link only, and only what is asked for there.
    const struct {
        int type;
        const char *dst, *target;
        int hops, error;
    } messages[] = {
        {135, router6, router6, 255, 0},
        {135, "ff02::1:ff00:1", router6, 255, 0},
        {136, router6, box6, 255, 0},
        {135, router6, other6, 255, EPERM},
        {135, "ff02::1:ff00:1", other6, 255, EPERM},
        {135, router6, router6, 64, EPERM},
        {135, other6, other6, 255, EPERM},
        {136, other6, box6, 255, EPERM},
        {136, router6, box6, 64, EPERM},
    };
    for (const auto &each : messages)
        EXPECT_EQ(world.inside(
                      cgroup,
                      [&] {
                          return neighbour(static_cast<std::uint8_t>(each.type), each.dst, each.target,
                                           each.hops);
                      },
                      netns.get()),
                  each.error)
            << each.type << " to " << each.dst << " of " << each.target << " hops " << each.hops;
}

// A raw socket of IPv4 whose bytes say IPv6, to a gateway.
TEST(CgroupLink, AVersionThatIsNotThePackets) {
    CgroupWorld world("lies");
    const Cgroup cgroup("in");
    Mark mark;
    mark.bytes("two versions");
    const auto lie = [] {
        const Ip from = Ip::of("2001:db8:7::2"), gate = Ip::of(gateway6);
        Bytes packet = harness::ip(from, gate, IPPROTO_UDP, udp(from, gate, 4000, 4000, "two versions"));
        packet[0] = 0x65; // five words of header, for those who read IPv4
        const Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
        const SockAddr to(Ip::of(other), 0);
        return sendto(socket.get(), packet.data(), packet.size(), 0, to.get(), to.length) < 0 ? errno : 0;
    };
    EXPECT_EQ(world.inside(cgroup, lie), 0);
    EXPECT_TRUE(world.capture().awaits(mark)); // it shows without the filter
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--gw", gateway6}).status, 0);
    const auto since = world.capture().position();
    EXPECT_EQ(world.inside(cgroup, lie), EPERM);
    world.capture().settle();
    EXPECT_EQ(world.capture().count(mark, since), 0u);
}
