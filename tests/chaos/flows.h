// SPDX-License-Identifier: MIT
// What the two senders send, and the memory in which they and the judge write down each packet: when it was
// sent and when it arrived. The parent reads it when all is over. Knows nothing of devices or policies.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/bytes.h"

namespace lk::chaos {

using Micros = std::uint32_t; // since the run began; 0: never
constexpr Micros second = 1'000'000;

// Whether its route is over eth0 whatever comes, or over the best default route.
enum class Path { pinned, roaming };

struct Flow {
    const char *name;
    bool allowed;
    Path path;
    bool tcp; // a SYN from a new socket each time; else a datagram
    harness::Ip dst;
};
const std::vector<Flow> &flows();

// One packet. A flow's number for it is the index.
struct Packet {
    std::atomic<Micros> sent, arrived;
    std::atomic<std::uint16_t> error;  // errno of the sending
    std::atomic<std::uint16_t> uplink; // on whose wire it arrived
};

// Source and destination port of SYN number N: no two of a run have the same.
constexpr std::uint64_t syn_ports = 50'000, syn_first_source = 10'000, syn_first_port = 2'000;

// Shared by all processes that are forked after it was made.
class Ledger {
  public:
    static constexpr std::uint64_t capacity = 1u << 22; // packets of one flow

    Ledger();
    Ledger(const Ledger &) = delete;
    Ledger &operator=(const Ledger &) = delete;
    ~Ledger();

    Micros now() const;
    Packet &packet(std::size_t flow, std::uint64_t number) const {
        return packets_[flow * capacity + number];
    }

    struct Shared {
        std::atomic<std::uint64_t> sent[16]; // packets of each flow
        std::atomic<std::uint64_t> unread;   // frames that the judge's socket lost
        std::atomic<std::uint64_t> unlike;   // frames to a flow's address that no sender made
        std::atomic<std::uint64_t> judged;   // frames
        std::atomic<Micros> longest_stall;   // of a sender that got no processor
        std::atomic<bool> quiet, ended;      // the senders: wait, end
    };
    Shared &shared() const { return *shared_; }

  private:
    std::int64_t began_ns_;
    std::size_t bytes_;
    Shared *shared_;
    Packet *packets_;
};

} // namespace lk::chaos
