// SPDX-License-Identifier: MIT
#include "kernel/pidfd.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lk {

Fd open_pidfd(pid_t pid) {
    return Fd{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
}

bool send_signal(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0;
}

bool ended(int pidfd, std::chrono::milliseconds timeout) {
    pollfd wait{pidfd, POLLIN, 0};
    return ::poll(&wait, 1, static_cast<int>(timeout.count())) > 0;
}

} // namespace lk
