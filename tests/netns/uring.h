// SPDX-License-Identifier: MIT
// One request on an io_uring, by bare system calls: for senders that never call sendmsg() or connect()
// themselves.
#pragma once

#include <sys/socket.h>

namespace lk::harness {

// Result of the operation: as the system call's, or a negated errno. Throws where the kernel has no io_uring.
int uring_sendmsg(int fd, const msghdr &message);
// Begins to connect, without waiting for an answer.
void uring_connect(int fd, const sockaddr *to, socklen_t length);

} // namespace lk::harness
