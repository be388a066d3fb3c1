// SPDX-License-Identifier: MIT
// One netlink socket: requests, and messages as they come, unread. Messages that others than the kernel send
// are dropped here. Private to this room.
#pragma once

#include <netlink/socket.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"

struct nlmsghdr;

namespace lk {

class NetlinkSocket {
  public:
    using OnMessage = std::function<void(const nlmsghdr &)>;
    enum class Received {
        nothing, // no datagram waits
        some,
        lost // messages were lost to a full buffer. Until it is read empty the kernel puts nothing into it
    };

    static Result<NetlinkSocket> open(int protocol); // NETLINK_ROUTE, NETLINK_GENERIC

    int fd() const { return nl_socket_get_fd(socket_.get()); }
    nl_sock *get() const { return socket_.get(); }
    // False where the kernel does not know the group.
    bool join(int group);
    // Beyond the system's limit where that is permitted.
    void set_receive_buffer(int bytes);

    Result<void> send(int type, int flags, const void *body, std::size_t body_bytes);
    // At most one datagram. Does not wait.
    Result<Received> receive(const OnMessage &on_message);

    // Sends a request (FLAGS: NLM_F_DUMP or NLM_F_ACK) and calls ON_MESSAGE for what comes, waiting for it.
    // False: the kernel says that the answer is inconsistent (NLM_F_DUMP_INTR), ask again. Nothing else may
    // be under way on this socket.
    Result<bool> ask(int type, int flags, const void *body, std::size_t body_bytes,
                     const OnMessage &on_message);

  private:
    struct Free {
        void operator()(nl_sock *socket) const { nl_socket_free(socket); }
    };
    explicit NetlinkSocket(nl_sock *socket);

    std::unique_ptr<nl_sock, Free> socket_;
    std::vector<char> buffer_;
};

} // namespace lk
