// SPDX-License-Identifier: MIT
// The follower as a process in the background. It stands alone: nothing of the attach that started it is
// needed.
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "kernel/state.h"

namespace lk {

// The first line of `leakbpf follow` on stdout, once it follows.
inline constexpr const char *following_line = "following: ";

// `leakbpf follow` of this very binary on its way, in a session of its own and in the network namespace of
// the caller. Until follows() was asked it is ended with this object.
class FollowerStart {
  public:
    static Result<FollowerStart> begin(const Place &place);
    FollowerStart(FollowerStart &&other) noexcept;
    FollowerStart &operator=(FollowerStart &&) = delete;
    ~FollowerStart();
    // Waits until it follows: its pid, or its error, and then it has ended. Must not be called under the
    // Lock: its first turn needs it.
    Result<pid_t> follows();
    void leave() { pid_ = 0; } // it lives on, unasked

  private:
    FollowerStart(pid_t pid, Fd out) : pid_(pid), out_(std::move(out)) {}
    void end();
    pid_t pid_ = 0; // 0: not ours to end any more
    Fd out_;
};

// Both at once.
Result<pid_t> start_follower(const Place &place);

} // namespace lk
