// SPDX-License-Identifier: MIT
#include "harness/vpn.h"

#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "harness/sandbox.h"
#include "harness/sender.h"

namespace lk::harness {

void open_tun_to_all() {
    const std::string node = Sandbox::current().dir() + "/tun";
    if (mknod(node.c_str(), S_IFCHR | 0666, makedev(10, 200)) != 0 && errno != EEXIST)
        throw std::runtime_error("mknod: " + std::string(strerror(errno)));
    if (chmod(node.c_str(), 0666) != 0 || mount(node.c_str(), "/dev/net/tun", nullptr, MS_BIND, nullptr) != 0)
        throw std::runtime_error("/dev/net/tun: " + std::string(strerror(errno)));
}

bool pings(const Netns &netns, const Ip &to, const Bytes &token) {
    return as({.netns = netns.fd(), .uid = user_uid},
              [&] {
                  const int protocol = to.family == 4 ? +IPPROTO_ICMP : +IPPROTO_ICMPV6;
                  Fd fd(socket(to.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, protocol));
                  timeval limit{0, 500'000};
                  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
                  SockAddr address(to, 0);
                  Bytes request = echo_request(to, to, 1, token);
                  char answer[256];
                  if (sendto(fd.get(), request.data(), request.size(), 0, address.get(), address.length) <
                          0 ||
                      recv(fd.get(), answer, sizeof(answer), 0) < 0)
                      throw std::runtime_error(strerror(errno));
              })
        .empty();
}

void send_datagram(const Netns &netns, uid_t uid, const Ip &to, std::uint16_t port, const Bytes &text) {
    const std::string trouble = as({.netns = netns.fd(), .uid = uid}, [&] {
        Fd fd(socket(to.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        SockAddr address(to, port);
        sendto(fd.get(), text.data(), text.size(), 0, address.get(), address.length);
    });
    if (!trouble.empty()) throw std::runtime_error(trouble);
}

} // namespace lk::harness
