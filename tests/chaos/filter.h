// SPDX-License-Identifier: MIT
// leakbpf's processes on the host: attach, the follower, and what kills and replaces them. Knows no packets.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "chaos/world.h"
#include "harness/process.h"
#include "kernel/pins.h"

namespace lk::chaos {

class Filter {
  public:
    explicit Filter(const World &world);

    harness::Output run(const std::vector<std::string> &words) const;
    // Starts it and kills it by SIGKILL when the time is up. True: it had ended before.
    bool run_and_kill(const std::vector<std::string> &words, std::chrono::microseconds after) const;

    // The words that put a configuration with this text into force.
    std::vector<std::string> apply_words(const std::string &configuration) const;

    // A living process that follows; nothing else in the sandbox is called leakbpf.
    std::optional<pid_t> follower() const;
    void kill_follower() const; // SIGKILL, and waits for its end
    void start_follower();      // `leakbpf follow`, as a service manager would; waits until it follows

    // From now on another build is used: a copy whose BPF objects have another digest, and which loads them
    // anew.
    void upgrade(unsigned number);

    bool guards(int uplink) const; // a hook is pinned for the device that it is now

    // Where the second gate is netfilter's and the hooks tcx's, an uplink is never open.
    bool leaves_no_window() const;

    // Netlink messages that the follower's sockets lost so far.
    unsigned long overruns(pid_t follower) const;

    // For people who look for the cause: what status says, and what the follower does.
    std::string state() const;

  private:
    const World &world_;
    std::string binary_;
    Pins pins_;
    std::optional<harness::Background> service_;
    std::vector<std::string> command(const std::vector<std::string> &words) const;
};

} // namespace lk::chaos
