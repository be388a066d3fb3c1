// SPDX-License-Identifier: MIT
// systemd's IPAddressDeny=any with IPAddressAllow= on the root slice, by a program of the same meaning
// (ip_address.bpf.c) on the cgroup that all senders are in: systemd itself does not run here. An address has
// no device: a list that closes the uplink closes the tunnel too, and naming the tunnel's networks would open
// the uplink to them. Source: IPAddressAllow= in systemd.resource-control(5); src/core/bpf-firewall.c.
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <stdexcept>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "board/peer.h"
#include "harness/sandbox.h"
#include "ip_address.skel.h"

namespace lk::board {

using namespace harness;

namespace {

// localhost, link-local and multicast, as the manual page's symbolic names have them; the local network and
// the gateways.
constexpr const char *allowed4[] = {"127.0.0.0/8", "169.254.0.0/16",  "224.0.0.0/4",
                                    "10.9.0.0/24", "198.51.100.7/32", "198.51.100.8/32"};
constexpr const char *allowed6[] = {"::1/128", "fe80::/64", "ff00::/8", "2001:db8:100::7/128",
                                    "2001:db8:100::8/128"};

template <class Lists>
void allow(int map, const Lists &list) {
    for (const std::string prefix : list) {
        std::size_t slash = prefix.find('/');
        Bytes address = Ip::of(prefix.substr(0, slash).c_str()).bytes();
        auto length = static_cast<std::uint32_t>(std::stoul(prefix.substr(slash + 1)));
        Bytes key(sizeof(length), 0);
        memcpy(key.data(), &length, sizeof(length));
        key += address;
        std::uint32_t value = 1;
        must(bpf_map_update_elem(map, key.data(), &value, BPF_ANY), "an allowed prefix");
    }
}

std::uint64_t cookie_of(const Netns &netns) {
    std::uint64_t cookie = 0;
    netns.inside([&] {
        Fd any(must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
        socklen_t length = sizeof(cookie);
        must(getsockopt(any.get(), SOL_SOCKET, 71 /* SO_NETNS_COOKIE */, &cookie, &length), "netns cookie");
    });
    return cookie;
}

struct Closed {
    void operator()(lk_ip_address *skeleton) const { lk_ip_address::destroy(skeleton); }
};

std::unique_ptr<lk_ip_address, Closed> loaded; // for one world at a time

void attach(World &world) {
    loaded.reset(lk_ip_address::open());
    if (!loaded) throw std::runtime_error("opening ip_address.bpf.o");
    loaded->rodata->far_side = cookie_of(world.isp());
    loaded->rodata->daemon_uid = vpn_uid;
    must(lk_ip_address::load(loaded.get()), "loading ip_address.bpf.o");
    allow(bpf_map__fd(loaded->maps.allow4), allowed4);
    allow(bpf_map__fd(loaded->maps.allow6), allowed6);
    Fd cgroup(open(Sandbox::current().cgroup_root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (auto [program, link] : {std::pair(loaded->progs.ip_egress, &loaded->links.ip_egress),
                                 std::pair(loaded->progs.ip_ingress, &loaded->links.ip_ingress)}) {
        *link = bpf_program__attach_cgroup(program, cgroup.get());
        if (!*link) fail("attaching to the cgroup");
    }
}

} // namespace

Peer systemd() {
    return {.name = "systemd",
            .title = "systemd IPAddressDeny",
            .source = "systemd.resource-control(5); src/core/bpf-firewall.c",
            .set_up = attach,
            .clean_up = [] { loaded.reset(); },
            .choices = {open_gateways(),
                        {R"(^dns\.\w+_to_gateway)", "an allowed address is allowed with all its ports"},
                        open_lan(),
                        {R"(\.udp_unknown_multicast|^dns\.(\w+_group|dns_to_a_multicast_group))",
                         "multicast is allowed by its name in the list"}},
            .trusts_daemon = true};
}

} // namespace lk::board
