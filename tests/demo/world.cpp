// SPDX-License-Identifier: MIT
#include "demo/world.h"

#include <stdexcept>

#include "harness/responder.h"
#include "harness/tunnel.h"

namespace lk::demo {

using namespace lk::harness;

World::World()
    : isp_("lk-demo-isp"), host_("lk-demo-host"), box_("lk-demo-box"), neighbour_("lk-demo-neighbour"),
      gateway_("lk-demo-gateway") {
    isp_.ip("link add br-lan type bridge\n"
            "link set br-lan up\n"
            "addr add 10.9.0.1/24 dev br-lan\n"
            "addr add 2001:db8:9::1/64 dev br-lan nodad\n"
            "addr add fe80::1/64 dev br-lan nodad\n"
            "link add h0 type veth peer name eth0 netns lk-demo-host\n"
            "link add n0 type veth peer name eth0 netns lk-demo-neighbour\n"
            "link add g0 type veth peer name eth0 netns lk-demo-gateway\n"
            "link set h0 master br-lan up\n"
            "link set n0 master br-lan up\n"
            "link set g0 up\n"
            "addr add 198.51.100.1/24 dev g0\n"
            "route add local 203.0.113.0/24 dev lo\n"
            "route add local 2001:db8:f::/48 dev lo");
    isp_.sysctl("ipv4/ip_forward", "1");
    neighbour_.ip("link set eth0 up\n"
                  "addr add 10.9.0.77/24 dev eth0\n"
                  "addr add 2001:db8:9::77/64 dev eth0 nodad");
    gateway_.ip("link set eth0 up\n"
                "addr add 198.51.100.7/24 dev eth0\n"
                "route add default via 198.51.100.1\n"
                "route add local 203.0.113.0/24 dev lo");
    host_.sysctl("ipv4/ip_forward", "1");
    host_.sysctl("ipv4/ping_group_range", "0 2147483647");
    for (const char *key :
         {"ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter", "ipv4/conf/eth0/rp_filter"})
        host_.sysctl(key, "0");
    // 203.0.113.200 is what a DHCP server pushed a route for (TunnelVision, CVE-2024-3661).
    host_.ip("link set eth0 up\n"
             "addr add 10.9.0.2/24 dev eth0\n"
             "addr add 2001:db8:9::2/64 dev eth0 nodad\n"
             "route add default via 10.9.0.1 metric 1000\n"
             "route add default via fe80::1 dev eth0 metric 1000\n"
             "route add 198.51.100.7 via 10.9.0.1\n"
             "route add 203.0.113.200 via 10.9.0.1\n"
             "link add box0 type veth peer name eth0 netns lk-demo-box\n"
             "link set box0 up\n"
             "addr add 10.10.0.1/24 dev box0");
    box_.ip("link set eth0 up\n"
            "addr add 10.10.0.2/24 dev eth0\n"
            "route add default via 10.10.0.1");
    Output nft = run({"nft", "-f", "-"},
                     {.netns = host_.fd(),
                      .input = "table ip lk { chain post { type nat hook postrouting priority srcnat;\n"
                               "ip saddr 10.10.0.0/24 oifname != \"box0\" masquerade\n}\n}\n"});
    if (nft.status != 0) throw std::runtime_error("nft: " + nft.err);
    wire_ = std::make_unique<Capture>(isp_);
    for (const Netns *netns : {&isp_, &neighbour_, &gateway_})
        servers_.push_back(start_responder(*netns));
}

void World::tunnel_up() {
    tunnel_far_ = start_tunnel_end(gateway_, "tun0", TunnelEnd::server);
    tunnel_near_ = start_tunnel_end(host_, "tun0", TunnelEnd::client);
    gateway_.ip("link set tun0 up\n"
                "addr add 10.42.0.1/24 dev tun0");
    host_.ip("link set tun0 up\n"
             "addr add 10.42.0.2/24 dev tun0\n"
             "route add default dev tun0 metric 10");
}

void World::tunnel_down() {
    tunnel_near_.reset();
    tunnel_far_.reset();
    if (!eventually([&] { return host_.ifindex("tun0") == 0; })) throw std::runtime_error("tun0 stayed");
}

} // namespace lk::demo
