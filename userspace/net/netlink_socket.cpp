// SPDX-License-Identifier: MIT
#include "net/netlink_socket.h"

#include <fmt/format.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace lk {

namespace {

// The kernel fills 32 KiB at most when it dumps, and one notification is far smaller.
constexpr std::size_t datagram_bytes = 64 * 1024;
constexpr int answer_timeout_ms = 10'000;

Error netlink_error(const char *what, int code) {
    return failure(fmt::format("netlink: {}: {}", what, std::strerror(code)));
}

} // namespace

NetlinkSocket::NetlinkSocket(nl_sock *socket) : socket_(socket), buffer_(datagram_bytes) {}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
    nl_sock *socket = nl_socket_alloc();
    if (!socket) return failure("netlink: out of memory");
    NetlinkSocket opened(socket);
    if (const int error = nl_connect(socket, protocol); error < 0)
        return failure(fmt::format("netlink: no socket of protocol {}: {}", protocol, nl_geterror(error)));
    return opened;
}

bool NetlinkSocket::join(int group) {
    return nl_socket_add_membership(socket_.get(), group) == 0;
}

void NetlinkSocket::set_receive_buffer(int bytes) {
    if (setsockopt(fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0) return;
    setsockopt(fd(), SOL_SOCKET, SO_RCVBUF, &bytes,
               sizeof bytes); // an overrun costs a second reading, no more
}

Result<void> NetlinkSocket::send(int type, int flags, const void *body, std::size_t body_bytes) {
    const int sent = nl_send_simple(socket_.get(), type, flags, const_cast<void *>(body), body_bytes);
    if (sent < 0)
        return failure(fmt::format("netlink: request of type {} not sent: {}", type, nl_geterror(sent)));
    return {};
}

Result<NetlinkSocket::Received> NetlinkSocket::receive(const OnMessage &on_message) {
    sockaddr_nl sender{};
    iovec span{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    msghdr datagram{};
    datagram.msg_name = &sender;
    datagram.msg_namelen = sizeof sender;
    datagram.msg_iov = &span;
    datagram.msg_iovlen = 1;
    const ssize_t got = recvmsg(fd(), &datagram, MSG_DONTWAIT);
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR) return Received::nothing;
        if (errno == ENOBUFS) return Received::lost;
        return netlink_error("nothing received", errno);
    }
    if (sender.nl_pid != 0) return Received::some;
    if (datagram.msg_flags & MSG_TRUNC) return Received::lost;
    auto left = static_cast<int>(got);
    for (auto *message = reinterpret_cast<nlmsghdr *>(buffer_.data()); nlmsg_ok(message, left);
         message = nlmsg_next(message, &left))
        on_message(*message);
    return Received::some;
}

Result<bool> NetlinkSocket::ask(int type, int flags, const void *body, std::size_t body_bytes,
                                const OnMessage &on_message) {
    if (auto sent = send(type, flags, body, body_bytes); !sent) return sent.error();
    bool done = false, consistent = true;
    int error = 0;
    const auto take = [&](const nlmsghdr &message) {
        if (message.nlmsg_flags & NLM_F_DUMP_INTR) consistent = false;
        if (message.nlmsg_type == NLMSG_DONE) {
            done = true;
        } else if (message.nlmsg_type == NLMSG_ERROR) {
            error = static_cast<const nlmsgerr *>(NLMSG_DATA(&message))->error;
            done = true;
        } else {
            on_message(message);
        }
    };
    while (!done) {
        pollfd waiting{.fd = fd(), .events = POLLIN, .revents = 0};
        const int ready = poll(&waiting, 1, answer_timeout_ms);
        if (ready == 0) return failure(fmt::format("netlink: no answer to a request of type {}", type));
        if (ready < 0 && errno != EINTR) return netlink_error("waiting for an answer", errno);
        auto received = receive(take);
        if (!received) return received.error();
        if (*received == Received::lost) return failure("netlink: an answer was too long");
    }
    if (error) return netlink_error("request refused", -error);
    return consistent;
}

} // namespace lk
