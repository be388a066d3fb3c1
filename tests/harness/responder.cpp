// SPDX-License-Identifier: MIT
#include "harness/responder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/message.h"

namespace lk::harness {

Fd listener(int type, std::uint16_t port) {
    Fd fd(socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    int on = 1, off = 0;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(port);
    if (bind(fd.get(), reinterpret_cast<sockaddr *>(&any), sizeof(any)) < 0)
        throw std::runtime_error(fmt::format("responder: port {}: {}", port, strerror(errno)));
    // The longest queue: a sender that is faster than this process would have its SYN dropped by a full one.
    if (type == SOCK_STREAM && listen(fd.get(), SOMAXCONN) < 0) throw std::runtime_error("responder: listen");
    return fd;
}

namespace {

bool send_all(int fd, const char *data, std::size_t length) {
    while (length > 0) {
        ssize_t put = send(fd, data, length, MSG_NOSIGNAL);
        pollfd room{fd, POLLOUT, 0};
        if (put < 0 && (errno != EAGAIN || poll(&room, 1, 1000) != 1)) return false;
        if (put > 0) data += put, length -= static_cast<std::size_t>(put);
    }
    return true;
}

} // namespace

void echo_datagram(int fd) {
    static char data[1 << 16];
    Message message(data, sizeof(data));
    const ssize_t got = recvmsg(fd, message.get(), 0);
    if (got < 0) return;
    message.resize(static_cast<std::size_t>(got));
    auto info = message.control<in6_pktinfo>(IPPROTO_IPV6, IPV6_PKTINFO);
    message.drop_control();
    if (info && !IN6_IS_ADDR_MULTICAST(&info->ipi6_addr)) {
        if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr)) info->ipi6_ifindex = 0; // by the routes
        message.set_control(IPPROTO_IPV6, IPV6_PKTINFO, *info);
    }
    sendmsg(fd, message.get(), MSG_DONTWAIT);
}

std::unique_ptr<Helper> start_responder(const Netns &netns) {
    return std::make_unique<Helper>(Identity{.netns = netns.fd()}, [](const std::function<void()> &ready) {
        Fd poller(epoll_create1(EPOLL_CLOEXEC));
        std::set<int> stream_listeners, datagrams;
        auto watch = [&](int fd) {
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.fd = fd;
            epoll_ctl(poller.get(), EPOLL_CTL_ADD, fd, &event);
        };
        for (std::uint16_t port : echo_ports) {
            stream_listeners.insert(listener(SOCK_STREAM, port).release());
            datagrams.insert(listener(SOCK_DGRAM, port).release());
        }
        for (int fd : stream_listeners)
            watch(fd);
        for (int fd : datagrams)
            watch(fd);
        ready();
        for (epoll_event event; epoll_wait(poller.get(), &event, 1, -1) >= 0 || errno == EINTR;) {
            int fd = event.data.fd;
            if (stream_listeners.count(fd)) {
                int peer = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                if (peer >= 0) watch(peer);
            } else if (datagrams.count(fd)) {
                echo_datagram(fd);
            } else {
                static char data[1 << 16];
                ssize_t got = recv(fd, data, sizeof(data), 0);
                if (got <= 0 || !send_all(fd, data, static_cast<std::size_t>(got))) close(fd);
            }
        }
    });
}

} // namespace lk::harness
