// SPDX-License-Identifier: MIT
// Group devices: uplinks that come, go, change their name or place, and devices on top of them. The follower
// that attach leaves behind takes them in; the time that it needs is measured, and what leaves after it told
// so is a leak.
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>
#include <stdexcept>

#include <fmt/format.h>

#include "leak_case.h"

namespace lk::harness {

namespace {

Bytes token(int number) {
    return fmt::format("lk<device-{:06}>", number);
}

Mark marked(int number) {
    Mark mark;
    mark.bytes(token(number));
    return mark;
}

Ip stranger(int family) {
    return Ip::of(family == 4 ? "203.0.113.200" : "2001:db8:f:8888::1");
}

// A datagram of an ordinary user to a public host, out of DEVICE.
std::string user_sends(World &world, int family, const std::string &device, int number) {
    return as({.netns = world.host().fd(), .uid = user_uid}, [&] {
        Fd fd(must(socket(family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
        if (!device.empty())
            must(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device.c_str(),
                            static_cast<socklen_t>(device.size())),
                 "SO_BINDTODEVICE");
        send_to(fd.get(), SockAddr(stranger(family), 4242), token(number));
    });
}

// A frame of root's out of DEVICE.
std::string root_injects(World &world, int family, const std::string &device, int number) {
    return as({.netns = world.host().fd()}, [&] {
        Ip from = Ip::of(family == 4 ? "10.9.0.2" : "2001:db8:9::2"), to = stranger(family);
        Bytes packet = ip(from, to, IPPROTO_UDP, udp(from, to, 4000, 4242, token(number)));
        inject(device, {ethernet(Bytes("\x02\0\0\0\x09\x01", 6), world.host().mac(device),
                                 family == 4 ? 0x0800 : 0x86dd, packet)});
    });
}

void routes_over(World &world, const std::string &device, const std::string &v4, const std::string &v6) {
    world.host().ip(fmt::format("link set {0} addrgenmode none\nlink set {0} up\naddr add {1}/24 dev "
                                "{0}\naddr add {2}/64 dev {0} nodad\n"
                                "neigh replace 10.8.0.1 lladdr 02:00:00:00:08:01 dev {0} nud permanent\n"
                                "neigh replace fe80::8:1 lladdr 02:00:00:00:08:01 dev {0} nud permanent\n"
                                "route replace 203.0.113.128/25 via 10.8.0.1 dev {0}\n"
                                "route replace 2001:db8:f:8000::/49 via fe80::8:1 dev {0}",
                                device, v4, v6));
}

// The kind of change: MAKE happens in both worlds; then a user and root send out of the device that it
// returns.
struct Change {
    const char *name;
    std::function<std::string(World &)> make;
    bool bridged = false;
};

Sight change(Guard &guard, int family, const Change &what) {
    World world({.name = "device", .container = false, .bridged = what.bridged});
    guard.attach(world);
    std::string device = what.make(world);
    // The device on which the filter sits may be another one, below.
    guard.takes_in(world, what.bridged || device.rfind("lkmv", 0) == 0 ? "eth0" : device);
    std::string trouble = user_sends(world, family, "", 1) + root_injects(world, family, device, 2);
    return look(world, {marked(1), marked(2)}, trouble);
}

void plug_second(World &world, const std::string &name) {
    world.host().ip(fmt::format(
        "link add {} address 02:00:00:00:08:02 type veth peer name h1 address 02:00:00:00:08:01 netns {}",
        name, world.isp().name()));
    world.isp().ip("link set h1 addrgenmode none\nlink set h1 up\naddr add 10.8.0.1/24 dev h1\naddr add "
                   "fe80::8:1/64 dev h1 nodad");
    routes_over(world, name, "10.8.0.2", "fe80::8:2");
    // A veth is an uplink by its default route only.
    world.host().ip(fmt::format("route add default via 10.8.0.1 dev {0} metric 3000\nroute add default via "
                                "fe80::8:1 dev {0} metric 4000",
                                name));
}

std::string make_again(World &world) {
    world.host().ip("link del eth0");
    world.host().ip(fmt::format(
        "link add eth0 address 02:00:00:00:09:02 type veth peer name h0 address 02:00:00:00:09:01 netns {}",
        world.isp().name()));
    world.isp().ip("link set h0 addrgenmode none\nlink set h0 up\naddr add 10.8.0.1/24 dev h0\naddr add "
                   "fe80::8:1/64 dev h0 nodad");
    routes_over(world, "eth0", "10.8.0.2", "fe80::8:2");
    world.host().ip("neigh replace 10.8.0.1 lladdr 02:00:00:00:09:01 dev eth0 nud permanent\n"
                    "neigh replace fe80::8:1 lladdr 02:00:00:00:09:01 dev eth0 nud permanent\n"
                    "route add default via 10.8.0.1 dev eth0");
    return "eth0";
}

std::string rename(World &world) {
    world.host().ip("link set eth0 down\nlink set eth0 name wan0\nlink set wan0 up");
    routes_over(world, "wan0", "10.8.0.2", "fe80::8:2");
    world.host().ip("neigh replace 10.8.0.1 lladdr 02:00:00:00:09:01 dev wan0 nud permanent\n"
                    "neigh replace fe80::8:1 lladdr 02:00:00:00:09:01 dev wan0 nud permanent\n"
                    "route replace default via 10.8.0.1 dev wan0");
    return "wan0";
}

std::string travel(World &world) {
    {
        Netns elsewhere("lk-elsewhere");
        world.host().ip("link set eth0 netns lk-elsewhere");
        elsewhere.ip(fmt::format("link set eth0 netns {}", world.host().name()));
    }
    routes_over(world, "eth0", "10.8.0.2", "fe80::8:2");
    world.host().ip("neigh replace 10.8.0.1 lladdr 02:00:00:00:09:01 dev eth0 nud permanent\n"
                    "neigh replace fe80::8:1 lladdr 02:00:00:00:09:01 dev eth0 nud permanent\n"
                    "route replace default via 10.8.0.1 dev eth0");
    return "eth0";
}

std::string macvlan_on_top(World &world) {
    world.host().ip("link add lkmv0 link eth0 address 02:00:00:00:09:0c type macvlan mode bridge");
    routes_over(world, "lkmv0", "10.8.0.2", "fe80::8:2");
    world.host().ip("neigh replace 10.8.0.1 lladdr 02:00:00:00:09:01 dev lkmv0 nud permanent\n"
                    "neigh replace fe80::8:1 lladdr 02:00:00:00:09:01 dev lkmv0 nud permanent");
    return "lkmv0";
}

std::string bridge_takes_the_uplink(World &world) {
    world.host().ip(
        "link add br1 address 02:00:00:00:09:02 type bridge\nlink set br1 addrgenmode none\nlink set br1 up\n"
        "link set eth0 master br1");
    routes_over(world, "br1", "10.8.0.2", "fe80::8:2");
    world.host().ip("neigh replace 10.8.0.1 lladdr 02:00:00:00:09:01 dev br1 nud permanent\n"
                    "neigh replace fe80::8:1 lladdr 02:00:00:00:09:01 dev br1 nud permanent");
    eventually([&] {
        return run({"bridge", "link"}, {.netns = world.host().fd()}).out.find("forwarding") != Bytes::npos;
    });
    return "eth0"; // root's frame goes out of the port itself
}

// The follower is dead: what was attached goes on judging, and a frame's device is the old one.
Sight killed_follower(Guard &guard, int family) {
    World world({.name = "kill", .container = false});
    guard.attach(world, {"--no-follow"});
    std::string trouble = user_sends(world, family, "", 1) + root_injects(world, family, "eth0", 2);
    return look(world, {marked(1), marked(2)}, trouble);
}

// A renamed uplink has lost its routes for a moment. It is the same device: what sat on it stays.
Sight renamed_without_routes(Guard &guard, int family) {
    World world({.name = "name", .container = false});
    guard.attach(world);
    world.host().ip("link set eth0 down\nlink set eth0 name wan0\nlink set wan0 up");
    guard.keeps(world, "wan0");
    return look(world, {marked(2)}, root_injects(world, family, "wan0", 2));
}

// ---- and what must go on: roaming, bridge, macvlan

std::string lan_answers(World &world, const Ip &neighbour, const std::string &device) {
    return as({.netns = world.host().fd(), .uid = user_uid}, [&] {
        Fd fd(
            must(socket(neighbour.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
        unsigned index = static_cast<unsigned>(if_nametoindex(device.c_str()));
        SockAddr to(neighbour, 2049, index);
        must(connect(fd.get(), to.get(), to.length), "connect");
        Bytes data = token(7);
        must(send(fd.get(), data.data(), data.size(), 0), "send");
        if (receive(fd.get(), 500) != data) throw std::runtime_error("another answer");
    });
}

// Another network: new address, new neighbours.
void roam(Guard &guard, World &world) {
    guard.attach(world);
    world.isp().ip("addr add 10.6.0.77/24 dev h0");
    world.host().ip("addr flush dev eth0\nlink set eth0 addrgenmode none\naddr add 10.6.0.2/24 dev "
                    "eth0\naddr add fe80::2/64 dev eth0 nodad\n"
                    "route add 10.9.0.0/24 via 10.6.0.77 dev eth0");
}

Sight answered(const std::string &trouble) {
    return {.all = trouble.empty(), .any = trouble.empty(), .trouble = trouble};
}

Sight roams(Guard &guard, int family) {
    World world({.name = "roam", .container = false});
    roam(guard, world);
    Ip neighbour = Ip::of(family == 4 ? "10.6.0.77" : "fe80::77");
    std::string trouble;
    eventually([&] { return (trouble = lan_answers(world, neighbour, "eth0")).empty(); });
    return answered(trouble);
}

// The LAN that was left is none any more, once the new one is known.
Sight sends_to_the_old_lan(Guard &guard, int) {
    World world({.name = "roam", .container = false});
    roam(guard, world);
    eventually([&] { return lan_answers(world, Ip::of("10.6.0.77"), "eth0").empty(); });
    std::size_t since = world.capture().position();
    return look(world, {marked(7)}, lan_answers(world, Ip::of("10.9.0.77"), "eth0"), since);
}

Sight lan_over(Guard &guard, int family, bool bridge) {
    World world({.name = "lan", .container = false, .bridged = bridge});
    std::string device = "br0";
    if (!bridge) {
        device = "lkmv0";
        world.host().ip("link add lkmv0 link eth0 address 02:00:00:00:09:0c type macvlan mode bridge\n"
                        "link set lkmv0 addrgenmode none\nlink set lkmv0 up\n"
                        "addr add 10.6.0.12/24 dev lkmv0\naddr add fe80::c/64 dev lkmv0 nodad");
        world.isp().ip("addr add 10.6.0.77/24 dev h0");
    }
    guard.attach(world);
    return answered(lan_answers(world,
                                Ip::of(family == 6 ? "fe80::77"
                                       : bridge    ? "10.9.0.77"
                                                   : "10.6.0.77"),
                                device));
}

Sight gateway_over_a_bridge(Guard &guard, int family) {
    World world({.name = "lan", .container = false, .bridged = true});
    guard.attach(world);
    return answered(as({.netns = world.host().fd(), .uid = user_uid}, [&] {
        Fd fd(must(socket(family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
        SockAddr gateway(family == 4 ? gateway4 : gateway6, 443);
        if (int error = connect_briefly(fd.get(), gateway, 2000)) errno = error, fail("connect");
    }));
}

} // namespace

void add_device_cases(Matrix &matrix) {
    const Change changes[] = {
        {"second_uplink_plugged_in",
         [](World &world) {
             plug_second(world, "eth1");
             return std::string("eth1");
         }},
        {"second_uplink_of_another_name",
         [](World &world) {
             plug_second(world, "usb0");
             return std::string("usb0");
         }},
        {"uplink_made_again", make_again},
        {"uplink_renamed", rename},
        {"uplink_in_another_namespace_and_back", travel},
        {"macvlan_on_top", macvlan_on_top},
        {"uplink_put_into_a_bridge", bridge_takes_the_uplink},
        {"bridge_on_the_uplink", [](World &) { return std::string("eth0"); }, true},
    };
    for (const Change &what : changes)
        matrix.add_special("devices", what.name,
                           [what](Guard &guard, int family) { return change(guard, family, what); });
    matrix.add_special("devices", "uplink_renamed_without_routes", renamed_without_routes);
    matrix.add_special("devices", "without_a_follower", killed_follower);
    matrix.add_special("devices", "old_lan_after_roaming", sends_to_the_old_lan, Expect::stays, {4});
    matrix.add_special("devices", "roaming_to_another_lan", roams, Expect::leaves);
    matrix.add_special(
        "devices", "lan_over_a_bridge",
        [](Guard &guard, int family) { return lan_over(guard, family, true); }, Expect::leaves);
    matrix.add_special(
        "devices", "lan_over_a_macvlan",
        [](Guard &guard, int family) { return lan_over(guard, family, false); }, Expect::leaves);
    matrix.add_special("devices", "gateway_over_a_bridge", gateway_over_a_bridge, Expect::leaves, {4, 6},
                       true);
}

} // namespace lk::harness
