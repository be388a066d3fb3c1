// SPDX-License-Identifier: MIT
#include "harness/tunnel.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

#include "harness/world.h"

namespace lk::harness {

namespace {

constexpr char scramble = 0x5a;

void carry(int tun, int sock, bool server, std::uint16_t port) {
    SockAddr peer(gateway4, port);
    bool peer_known = !server;
    static char buffer[1 << 16];
    auto flip = [](ssize_t length) {
        for (ssize_t i = 0; i < length; i++)
            buffer[i] ^= scramble;
    };
    for (;;) {
        pollfd fds[2] = {{tun, POLLIN, 0}, {sock, POLLIN, 0}};
        if (poll(fds, 2, -1) < 0) continue;
        if (fds[0].revents & POLLIN) {
            ssize_t got = read(tun, buffer, sizeof(buffer));
            flip(got);
            if (got > 0 && peer_known)
                sendto(sock, buffer, static_cast<std::size_t>(got), 0, peer.get(), peer.length);
        }
        if (fds[1].revents) {
            SockAddr from;
            from.length = sizeof(from.storage);
            ssize_t got = recvfrom(sock, buffer, sizeof(buffer), 0, from.get(), &from.length);
            flip(got);
            if (got <= 0) continue;
            if (server) peer = from, peer_known = true;
            if (write(tun, buffer, static_cast<std::size_t>(got)) < 0)
                continue; // not up yet, or not a packet
        }
    }
}

} // namespace

std::unique_ptr<Helper> start_tunnel_end(const Netns &netns, const std::string &device, TunnelEnd end,
                                         const TunnelOptions &options) {
    return std::make_unique<Helper>(Identity{.netns = netns.fd()}, [&](const std::function<void()> &ready) {
        Fd tun(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
        ifreq request{};
        request.ifr_flags = static_cast<short>((options.tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI);
        strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
        if (!tun || ioctl(tun.get(), TUNSETIFF, &request) < 0)
            throw std::runtime_error("making a TUN device");
        if (end == TunnelEnd::client) become(vpn_uid, false);
        Fd sock(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        SockAddr local(gateway4, options.port);
        if (end == TunnelEnd::server && bind(sock.get(), local.get(), local.length) < 0)
            throw std::runtime_error("binding the tunnel's server");
        ready();
        carry(tun.get(), sock.get(), end == TunnelEnd::server, options.port);
    });
}

} // namespace lk::harness
