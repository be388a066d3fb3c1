// SPDX-License-Identifier: MIT
// A process that systemd may supervise, told by the environment alone: how it says how it is, and where its
// messages go. Without systemd all of it is as if it were not there: messages go to stderr and syslog.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lk {

class Service {
  public:
    Service();

    void ready(const std::string &status); // the first time, and when a reload is done
    void status(const std::string &status);
    void reloading();
    void alive(); // keeps the watchdog, where one is set, quiet

    // For people. PRIORITY of syslog.h; FIELDS, like {"LEAKBPF_UPLINKS", "eth0"}, only the journal takes.
    using Fields = std::vector<std::pair<std::string, std::string>>;
    void tell(int priority, const std::string &message, const Fields &fields = {}) const;

  private:
    bool journal_ = false; // stderr is a stream of the journal's
    bool watchdog_ = false;
};

} // namespace lk
