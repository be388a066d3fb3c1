// SPDX-License-Identifier: MIT
// Datagrams to one address at a rate, by a process of their own in a subject's namespace and control group.
#pragma once

#include <cstdint>

#include "bench/speed_world.h"
#include "harness/sender.h"

namespace lk::bench {

// How many packets are due. What a sender is late by is made up for, but for no more than a moment.
class Pace {
  public:
    Pace(double per_second, std::uint64_t now_ns) : per_ns_(per_second / 1e9), last_ns_(now_ns) {}
    unsigned due(std::uint64_t now_ns); // at most most_at_once; they count as sent

    static constexpr unsigned most_at_once = 64; // a socket's buffer holds some 270
    static constexpr double most_behind = 2'000;

  private:
    double per_ns_, owed_ = 0;
    std::uint64_t last_ns_;
};

class Flood {
  public:
    static constexpr double per_second = 120'000;
    static constexpr std::uint64_t most_packets = 8'000'000; // it ends by itself after them

    Flood(const SpeedWorld &world, const harness::Ip &to);
    ~Flood();
    Flood(const Flood &) = delete;
    Flood &operator=(const Flood &) = delete;

    std::uint64_t sent() const; // each try, also those that send() refused
    void stop();
    double reached_per_second() const; // packets of its whole life; once it has stopped

  private:
    struct Counters;
    Counters *counters_;
    harness::Helper sender_;
};

} // namespace lk::bench
