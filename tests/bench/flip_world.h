// SPDX-License-Identifier: MIT
// A host with many guarded uplinks and a policy of many gateways, by `leakbpf attach`; and the word of the
// epoch in force, watched by a thread that does nothing else.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "harness/netns.h"
#include "kernel/state.h"

namespace lk::bench {

using Clock = std::chrono::steady_clock;

class FlipWorld {
  public:
    FlipWorld(unsigned devices, unsigned gateways);
    ~FlipWorld();

    const harness::Netns &host() const { return host_; }
    const Place &place() const { return place_; }
    static std::string device(unsigned number) { return "up" + std::to_string(number); }
    // GATEWAYS addresses, and a last one that VARIANT decides.
    static std::vector<std::string> gateways(unsigned gateways, unsigned variant);
    void attach(bool follow);
    // Makes the device «spare» anew, which no policy names; its ifindex.
    int make_spare();

  private:
    harness::Netns far_, host_;
    Place place_;
    unsigned devices_, gateways_;
};

// When the epoch changed, seen from outside of the process that changes it.
class WordWatch {
  public:
    explicit WordWatch(const Place &place);
    WordWatch(const WordWatch &) = delete;
    WordWatch &operator=(const WordWatch &) = delete;
    ~WordWatch();

    std::uint32_t epoch() const { return *word_; }
    void arm(); // the next change is what is waited for
    // Waits until it changed; throws after ten seconds.
    Clock::time_point changed() const;

  private:
    const volatile std::uint32_t *word_ = nullptr;
    std::atomic<bool> armed_ = false, ended_ = false;
    std::atomic<Clock::time_point> when_;
    std::uint32_t before_ = 0;
    std::thread thread_;
    void watch();
};

} // namespace lk::bench
