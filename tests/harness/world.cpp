// SPDX-License-Identifier: MIT
#include "harness/world.h"

#include <stdexcept>

#include <fmt/format.h>

#include "harness/responder.h"
#include "harness/tunnel.h"

namespace lk::harness {

const Ip gateway4 = Ip::of("198.51.100.7"), gateway6 = Ip::of("2001:db8:100::7");
const Ip port_gateway4 = Ip::of("198.51.100.8"), port_gateway6 = Ip::of("2001:db8:100::8");
const Ip resolver4 = Ip::of("10.42.0.1"), resolver6 = Ip::of("2001:db8:42::1");

std::vector<std::string> gateway_args() {
    return {"--gw", gateway4.str(),
            "--gw", gateway6.str(),
            "--gw", fmt::format("{}:{}/udp", port_gateway4.str(), gateway_port),
            "--gw", fmt::format("[{}]:{}/udp", port_gateway6.str(), gateway_port)};
}

World::World(const WorldOptions &options)
    : options_(options), isp_("lk-" + options.name + "-isp"), host_("lk-" + options.name + "-host") {
    connect_uplink();
    if (options_.capture) capture_ = std::make_unique<Capture>(isp_);
    if (options_.responder) responder_ = start_responder(isp_);
    if (options_.container) connect_container();
    if (options_.tunnel) tunnel_up();
}

World::~World() {
    if (attached_) leakbpf({"detach"});
}

// A bridge that passes on all that a bridge can.
void World::connect_relay() {
    relay_ = std::make_unique<Netns>("lk-" + options_.name + "-relay");
    relay_->switch_off_bridge_netfilter();
    host_.ip(fmt::format("link add eth0 address 02:00:00:00:09:02 type veth peer name c0 netns {}",
                         relay_->name()));
    relay_->ip(fmt::format("link add br0 type bridge mcast_snooping 0\n"
                           "link add w0 type veth peer name h0 address 02:00:00:00:09:01 netns {}\n"
                           "link set br0 addrgenmode none\nlink set c0 addrgenmode none master br0\n"
                           "link set w0 addrgenmode none master br0\n"
                           "link set br0 up\nlink set c0 up\nlink set w0 up",
                           isp_.name()));
}

void World::connect_uplink() {
    if (options_.relayed)
        connect_relay();
    else
        host_.ip(fmt::format("link add eth0 address 02:00:00:00:09:02 type veth peer name h0 address "
                             "02:00:00:00:09:01 netns {}",
                             isp_.name()));
    for (const char *key :
         {"ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter", "ipv4/conf/eth0/rp_filter"})
        host_.sysctl(key, "0");
    for (const char *key : {"ipv4/conf/all/rp_filter", "ipv4/conf/h0/rp_filter"})
        isp_.sysctl(key, "0");
    host_.sysctl("ipv4/tcp_fastopen", "5"); // client, data in the SYN without a cookie
    host_.sysctl("ipv4/ping_group_range", "0 2147483647");
    host_.sysctl("ipv4/icmp_ratelimit", "0");
    host_.sysctl("ipv6/icmp/ratelimit", "0");
    host_.sysctl("ipv4/ip_nonlocal_bind", "1");
    host_.sysctl("ipv6/ip_nonlocal_bind", "1");
    isp_.sysctl("ipv4/ip_nonlocal_bind", "1"); // answers come from addresses that only a route makes local
    isp_.sysctl("ipv6/ip_nonlocal_bind", "1");
    isp_.sysctl("ipv4/icmp_ratelimit", "0");
    isp_.sysctl("ipv6/icmp/ratelimit", "0");
    isp_.ip("link set h0 addrgenmode none\n"
            "link set h0 up\n"
            "addr add 10.9.0.1/24 dev h0\n"
            "addr add 10.9.0.77/24 dev h0\n"
            "addr add 198.51.100.129/25 dev h0\n"
            "addr add 198.51.100.200/25 dev h0\n"
            "addr add 2001:db8:9::1/64 dev h0 nodad\n"
            "addr add 2001:db8:9::77/64 dev h0 nodad\n"
            "addr add fe80::1/64 dev h0 nodad\n"
            "addr add fe80::77/64 dev h0 nodad\n"
            "route add local 203.0.113.0/24 dev lo\n"
            "route add local 198.51.100.0/25 dev lo\n"
            "route add local 2001:db8:f::/48 dev lo\n"
            "route add local 2001:db8:100::/64 dev lo\n"
            "route add local 64:ff9b::/96 dev lo\n"
            "route add 10.10.0.0/24 via 10.9.0.2\n"
            "route add 2001:db8:10::/64 via fe80::2 dev h0\n"
            "neigh add 10.9.0.2 lladdr 02:00:00:00:09:02 dev h0 nud permanent\n"
            "neigh add 198.51.100.130 lladdr 02:00:00:00:09:02 dev h0 nud permanent\n"
            "neigh add 2001:db8:9::2 lladdr 02:00:00:00:09:02 dev h0 nud permanent\n"
            "neigh add fe80::2 lladdr 02:00:00:00:09:02 dev h0 nud permanent");
    std::string dev = "eth0";
    if (options_.bridged) {
        dev = "br0";
        host_.ip("link add br0 address 02:00:00:00:09:02 type bridge\n"
                 "link set eth0 addrgenmode none master br0 up");
    }
    std::string neighbours;
    for (const char *neighbour : {"10.9.0.1", "10.9.0.77", "198.51.100.129", "198.51.100.200",
                                  "2001:db8:9::1", "2001:db8:9::77", "fe80::1", "fe80::77"})
        neighbours +=
            fmt::format("neigh add {} lladdr 02:00:00:00:09:01 dev {} nud permanent\n", neighbour, dev);
    host_.ip(fmt::format("link set {0} addrgenmode none\n"
                         "link set {0} up\n"
                         "addr add 10.9.0.2/24 dev {0}\n"
                         "addr add 198.51.100.130/25 dev {0}\n"
                         "addr add 2001:db8:9::2/64 dev {0} nodad\n"
                         "addr add fe80::2/64 dev {0} nodad\n"
                         "route add default via 10.9.0.1 dev {0} metric 1000\n"
                         "route add default via fe80::1 dev {0} metric 2000\n"
                         "route add 203.0.113.128/25 via 10.9.0.1 dev {0}\n"
                         "route add 198.51.100.0/25 via 10.9.0.1 dev {0}\n"
                         "route add 2001:db8:f:8000::/49 via fe80::1 dev {0}\n"
                         "route add 2001:db8:100::/64 via fe80::1 dev {0}\n{1}",
                         dev, neighbours));
    if (options_.bridged)
        eventually([&] {
            return run({"bridge", "link"}, {.netns = host_.fd()}).out.find("forwarding") != Bytes::npos;
        });
    if (options_.relayed)
        eventually([&] {
            const auto ports = run({"bridge", "link"}, {.netns = relay_->fd()}).out;
            const auto first = ports.find("forwarding");
            return first != Bytes::npos && ports.find("forwarding", first + 1) != Bytes::npos;
        });
}

void World::connect_container() {
    container_ = std::make_unique<Netns>("lk-" + options_.name + "-ct");
    host_.sysctl("ipv4/ip_forward", "1");
    host_.sysctl("ipv6/conf/all/forwarding", "1");
    host_.ip(fmt::format("link add cbr0 address 02:00:00:00:10:01 type bridge\n"
                         "link set cbr0 addrgenmode none\n"
                         "link add vct type veth peer name eth0 address 02:00:00:00:10:02 netns {}\n"
                         "link set vct addrgenmode none master cbr0 up\n"
                         "link set cbr0 up\n"
                         "addr add 10.10.0.1/24 dev cbr0\n"
                         "addr add 2001:db8:10::1/64 dev cbr0 nodad\n"
                         "neigh add 10.10.0.2 lladdr 02:00:00:00:10:02 dev cbr0 nud permanent\n"
                         "neigh add 10.10.0.3 lladdr 02:00:00:00:10:02 dev cbr0 nud permanent\n"
                         "neigh add 2001:db8:10::2 lladdr 02:00:00:00:10:02 dev cbr0 nud permanent\n"
                         "neigh add 2001:db8:10::3 lladdr 02:00:00:00:10:02 dev cbr0 nud permanent",
                         container_->name()));
    container_->sysctl("ipv4/ping_group_range", "0 2147483647");
    container_->sysctl("ipv4/tcp_fastopen", "5");
    container_->ip("link set eth0 addrgenmode none\n"
                   "link set eth0 up\n"
                   "addr add 10.10.0.2/24 dev eth0\n"
                   "addr add 10.10.0.3/24 dev eth0\n"
                   "addr add 2001:db8:10::2/64 dev eth0 nodad\n"
                   "addr add 2001:db8:10::3/64 dev eth0 nodad\n"
                   "route add default via 10.10.0.1\n"
                   "route add default via 2001:db8:10::1\n"
                   "neigh add 10.10.0.1 lladdr 02:00:00:00:10:01 dev eth0 nud permanent\n"
                   "neigh add 2001:db8:10::1 lladdr 02:00:00:00:10:01 dev eth0 nud permanent");
    Output nft = run({"nft", "-f", "-"},
                     {.netns = host_.fd(),
                      .input = "table inet lk { chain post { type nat hook postrouting priority srcnat;\n"
                               "ip saddr 10.10.0.2 oifname != \"cbr0\" masquerade\n"
                               "ip6 saddr 2001:db8:10::2 oifname != \"cbr0\" masquerade\n}\n}\n"});
    if (nft.status != 0) throw std::runtime_error("nft: " + nft.err);
}

void World::tunnel_up() {
    const TunnelOptions kind{.tap = options_.tap};
    tunnel_far_ = start_tunnel_end(isp_, "tun0", TunnelEnd::server, kind);
    tunnel_near_ = start_tunnel_end(host_, "tun0", TunnelEnd::client, kind);
    if (options_.tap && capture_) capture_->leave_out("tun0");
    isp_.ip("link set tun0 addrgenmode none\n"
            "link set tun0 up\n"
            "addr add 10.42.0.1/24 dev tun0\n"
            "addr add 2001:db8:42::1/64 dev tun0 nodad");
    host_.ip(fmt::format("link set tun0 addrgenmode none\n"
                         "link set tun0 up\n"
                         "addr add 10.42.0.2/24 dev tun0\n"
                         "addr add 2001:db8:42::2/64 dev tun0 nodad\n"
                         "route add default {}dev tun0 metric 10\n"
                         "route add default {}dev tun0 metric 20 src 2001:db8:42::2",
                         options_.tap ? "via 10.42.0.1 " : "", options_.tap ? "via 2001:db8:42::1 " : ""));
}

void World::tunnel_down() {
    tunnel_near_.reset();
    tunnel_far_.reset();
    if (!eventually([&] { return host_.ifindex("tun0") == 0; })) throw std::runtime_error("tun0 stayed");
}

Seat World::host_seat() const {
    return {&host_,
            options_.bridged ? "br0" : "eth0",
            Bytes("\x02\0\0\0\x09\x02", 6),
            Bytes("\x02\0\0\0\x09\x01", 6),
            Ip::of("10.9.0.2"),
            Ip::of("2001:db8:9::2")};
}

Seat World::container_seat(bool nated) const {
    return {container_.get(),
            "eth0",
            Bytes("\x02\0\0\0\x10\x02", 6),
            Bytes("\x02\0\0\0\x10\x01", 6),
            Ip::of(nated ? "10.10.0.2" : "10.10.0.3"),
            Ip::of(nated ? "2001:db8:10::2" : "2001:db8:10::3")};
}

Seat World::isp_seat() const {
    return {&isp_,
            "h0",
            Bytes("\x02\0\0\0\x09\x01", 6),
            Bytes("\x02\0\0\0\x09\x02", 6),
            Ip::of("10.9.0.1"),
            Ip::of("2001:db8:9::1")};
}

Output World::leakbpf(const std::vector<std::string> &args) const {
    return harness::leakbpf(host_.fd(), args);
}

void World::attach(const std::vector<std::string> &args) {
    std::vector<std::string> words = {"attach"};
    words.insert(words.end(), args.begin(), args.end());
    Output output = leakbpf(words);
    if (output.status != 0)
        throw std::runtime_error(fmt::format("leakbpf {}: status {}\n{}{}", fmt::join(words, " "),
                                             output.status, output.out, output.err));
    attached_ = true;
}

} // namespace lk::harness
