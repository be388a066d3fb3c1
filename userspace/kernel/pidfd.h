// SPDX-License-Identifier: MIT
// Processes by descriptor: a pid may be somebody else's by the time that it is used.
#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/fd.h"

namespace lk {

Fd open_pidfd(pid_t pid);
bool send_signal(int pidfd, int signal);
bool ended(int pidfd, std::chrono::milliseconds timeout); // waits for it

} // namespace lk
