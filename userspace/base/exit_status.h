// SPDX-License-Identifier: MIT
// Exit codes of the leakbpf command, each documented in the README and the man page.
#pragma once

namespace lk {

enum class Exit : int {
    ok = 0,
    failure = 1,      // something went wrong that is none of the below; the filter is as it was
    bad_input = 2,    // an argument is wrong: nothing was changed
    permission = 3,   // not root, or a capability is missing
    unsupported = 4,  // the kernel or the machine lacks something that was asked for
    busy = 5,         // another leakbpf holds the state of this network namespace
    weakened = 6,     // status: a guarantee does not hold (a program ahead of ours, a bare uplink)
    not_attached = 7, // status, detach, follow: no filter in this network namespace, not even a broken one
    no_such_name = 8, // resolve: the server says that there is none, or no address of it
    no_answer = 9,    // resolve: refused, failed, or none within the time
    locked_down = 10, // apply --or-lockdown: the configuration cannot be used, and lockdown is in force
    no_trial = 11,    // keep: no policy is on trial, or its time is over
    not_run = 125     // run: leakbpf itself failed, whatever the reason; 126 and 127 as of env(1)
};

} // namespace lk
