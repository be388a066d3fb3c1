// SPDX-License-Identifier: MIT
#include "net/dns_asker.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace lk {

namespace {

using Deadline = std::chrono::steady_clock::time_point;

class SocketAddress {
  public:
    explicit SocketAddress(const Resolver &server) {
        if (server.address.is_v4()) {
            sockaddr_in v4{};
            v4.sin_family = AF_INET;
            v4.sin_port = htons(server.port);
            std::memcpy(&v4.sin_addr, server.address.bytes().data() + 12, sizeof(v4.sin_addr));
            take(v4);
        } else {
            sockaddr_in6 v6{};
            v6.sin6_family = AF_INET6;
            v6.sin6_port = htons(server.port);
            std::memcpy(&v6.sin6_addr, server.address.bytes().data(), sizeof(v6.sin6_addr));
            take(v6);
        }
    }
    int connect(int fd) const {
        return ::connect(fd, reinterpret_cast<const sockaddr *>(&storage_), length_);
    }

  private:
    template <typename T>
    void take(const T &address) {
        std::memcpy(&storage_, &address, sizeof(address));
        length_ = sizeof(address);
    }
    sockaddr_storage storage_{};
    socklen_t length_ = 0;
};

Error no_answer(std::string message) {
    return {Exit::no_answer, std::move(message)};
}

Error network_error(const Resolver &server, const char *how, int error) {
    if (error == ECONNREFUSED)
        return no_answer(fmt::format("the query to {} by {} was refused", server.str(), how));
    return no_answer(
        fmt::format("the query to {} by {} failed: {}", server.str(), how, std::strerror(error)));
}

// Error: the time is up.
Result<void> await(const Fd &fd, short events, const Resolver &server, const char *how, Deadline deadline) {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0)
            return no_answer(fmt::format("{} did not answer by {} in time", server.str(), how));
        pollfd waiting{fd.get(), events, 0};
        const int ready = ::poll(&waiting, 1, static_cast<int>(left.count()));
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return network_error(server, how, errno);
    }
}

Result<DnsAnswer> ask_udp(const Fd &fd, const Resolver &server, const DnsQuery &query, Deadline deadline) {
    const std::string wire = to_wire(query);
    if (SocketAddress(server).connect(fd.get()) != 0 ||
        ::send(fd.get(), wire.data(), wire.size(), MSG_NOSIGNAL) < 0)
        return network_error(server, "UDP", errno);
    std::array<char, 65536> buffer{};
    unsigned skipped = 0;
    for (;;) {
        if (auto ready = await(fd, POLLIN, server, "UDP", deadline); !ready) {
            Error error = ready.error();
            if (skipped) error.message += fmt::format("; {} datagrams from it were no answer", skipped);
            return error;
        }
        const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return network_error(server, "UDP", errno);
        if (auto answer = read_answer(query, {buffer.data(), static_cast<std::size_t>(got)})) return *answer;
        ++skipped;
    }
}

// Exactly COUNT bytes.
Result<std::string> receive(const Fd &fd, std::size_t count, const Resolver &server, Deadline deadline) {
    std::string data(count, '\0');
    for (std::size_t have = 0; have < count;) {
        if (auto ready = await(fd, POLLIN, server, "TCP", deadline); !ready) return ready.error();
        const ssize_t got = ::recv(fd.get(), data.data() + have, count - have, 0);
        if (got == 0)
            return no_answer(
                fmt::format("{} closed the connection before its answer was whole", server.str()));
        if (got < 0 && errno != EINTR && errno != EAGAIN) return network_error(server, "TCP", errno);
        if (got > 0) have += static_cast<std::size_t>(got);
    }
    return data;
}

Result<DnsAnswer> ask_tcp(const Fd &fd, const Resolver &server, const DnsQuery &query, Deadline deadline) {
    if (SocketAddress(server).connect(fd.get()) != 0 && errno != EINPROGRESS)
        return network_error(server, "TCP", errno);
    if (auto ready = await(fd, POLLOUT, server, "TCP", deadline); !ready) return ready.error();
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) return network_error(server, "TCP", error);

    const std::string wire = to_wire(query);
    const std::string framed =
        std::string{static_cast<char>(wire.size() >> 8), static_cast<char>(wire.size())} + wire;
    // A first segment of this size goes out whole.
    const ssize_t sent = ::send(fd.get(), framed.data(), framed.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(framed.size()))
        return network_error(server, "TCP", sent < 0 ? errno : EIO);
    const auto head = receive(fd, 2, server, deadline);
    if (!head) return head.error();
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>((*head)[0]) << 8 |
                                                 static_cast<unsigned char>((*head)[1]));
    const auto message = receive(fd, length, server, deadline);
    if (!message) return message.error();
    const auto answer = read_answer(query, *message);
    if (!answer || answer->kind == DnsAnswer::Kind::truncated)
        return no_answer(fmt::format("what {} sent by TCP is no answer to the query", server.str()));
    return *answer;
}

} // namespace

Result<DnsSockets> DnsSockets::make(const Resolver &server) {
    const int family = server.address.is_v4() ? AF_INET : AF_INET6;
    DnsSockets sockets{Fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
                       Fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
    if (!sockets.udp || !sockets.tcp)
        return failure(fmt::format("cannot make a socket: {}", std::strerror(errno)));
    return sockets;
}

Result<DnsAnswer> ask(const DnsSockets &sockets, const Resolver &server, const DnsQuery &query,
                      Deadline deadline) {
    auto answer = ask_udp(sockets.udp, server, query, deadline);
    if (answer && answer->kind == DnsAnswer::Kind::truncated)
        return ask_tcp(sockets.tcp, server, query, deadline);
    return answer;
}

std::optional<Address> local_address(const Fd &socket) {
    sockaddr_storage own{};
    socklen_t length = sizeof(own);
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr *>(&own), &length) != 0) return {};
    if (own.ss_family == AF_INET) return Address::from_v4(&reinterpret_cast<sockaddr_in &>(own).sin_addr);
    return Address::from_v6(&reinterpret_cast<sockaddr_in6 &>(own).sin6_addr);
}

} // namespace lk
