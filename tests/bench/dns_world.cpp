// SPDX-License-Identifier: MIT
#include "bench/dns_world.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <stdexcept>

#include "harness/responder.h"
#include "harness/sandbox.h"
#include "harness/sender.h"

namespace lk::bench {

using namespace lk::harness;

namespace {

// Answers each query with its own bytes, from the address that was asked.
std::unique_ptr<Helper> start_server(const Netns &netns) {
    return std::make_unique<Helper>(Identity{.netns = netns.fd()}, [](const std::function<void()> &ready) {
        const Fd fd = listener(SOCK_DGRAM, 53);
        const int room = 4 << 20;
        if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0 ||
            fcntl(fd.get(), F_SETFL, 0) != 0)
            throw std::runtime_error("cannot serve DNS");
        ready();
        while (true)
            echo_datagram(fd.get());
    });
}

void must(const Output &output, const char *what) {
    if (output.status != 0)
        throw std::runtime_error(
            fmt::format("{}: status {}\n{}{}", what, output.status, output.out, output.err));
}

} // namespace

const char *name_of(Way way) {
    switch (way) {
    case Way::leakbpf: return "leakbpf";
    case Way::translated: return "translated";
    case Way::nftables: return "nftables";
    case Way::nftables_again: return "again";
    case Way::unfiltered: return "unfiltered";
    case Way::unfiltered_again: return "unfiltered2";
    }
    return "";
}

DnsWorld::DnsWorld(Way way, Route route)
    : cgroup_(fmt::format("dns-{}", name_of(way))), isp_(fmt::format("lk-dns-{}-isp", name_of(way))),
      host_(fmt::format("lk-dns-{}-host", name_of(way))) {
    isp_.ip(fmt::format("link add h0 type veth peer name eth0 netns {0}\n"
                        "link add t0 type veth peer name vpn0 netns {0}\n"
                        "link set h0 up\n"
                        "link set t0 up\n"
                        "addr add 10.9.0.1/24 dev h0\n"
                        "addr add 10.42.0.1/24 dev t0\n"
                        "addr add 203.0.113.200/32 dev lo",
                        host_.name()));
    host_.ip("link set eth0 up\n"
             "link set vpn0 up\n"
             "addr add 10.9.0.2/24 dev eth0\n"
             "addr add 10.42.0.2/24 dev vpn0\n"
             "route add default via 10.9.0.1");
    if (route == Route::tunnel) host_.ip("route add 203.0.113.0/24 via 10.42.0.1");
    server_ = start_server(isp_);
    guarded_ = way == Way::leakbpf || way == Way::translated;
    if (guarded_)
        must(run(cgroup_.leakbpf({"attach", "eth0", "--gw", "198.51.100.7", "--tunnel", "vpn0", "--dns",
                                  "10.42.0.1", "--no-follow"}),
                 {.netns = host_.fd()}),
             "leakbpf attach");
    if (way == Way::nftables || way == Way::nftables_again) // as bitmask-root does it with iptables
        must(run({"nft", "-f", "-"}, {.netns = host_.fd(),
                                      .input = "table ip lk {\n"
                                               "chain out { type nat hook output priority -100;\n"
                                               "udp dport 53 dnat to 10.42.0.1\n"
                                               "tcp dport 53 dnat to 10.42.0.1\n}\n"
                                               "chain post { type nat hook postrouting priority srcnat;\n"
                                               "oifname \"vpn0\" udp dport 53 masquerade\n"
                                               "oifname \"vpn0\" tcp dport 53 masquerade\n}\n}\n"}),
             "nft");
}

DnsWorld::~DnsWorld() {
    if (guarded_) run(cgroup_.leakbpf({"detach", "--all"}), {.netns = host_.fd()});
    enter_cgroup(Sandbox::current().cgroup_root()); // what is forked next has no hooks
}

void DnsWorld::inside(const std::function<void()> &body) const {
    enter_cgroup(cgroup_.path());
    host_.inside(body);
}

} // namespace lk::bench
