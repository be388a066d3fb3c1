// SPDX-License-Identifier: MIT
// Keeps a Topology current: subscribes to netlink first and reads after, so that no event is lost in between.
#pragma once

#include <memory>
#include <set>

#include "base/result.h"
#include "net/topology.h"

namespace lk {

class Monitor {
  public:
    // Of the calling thread's network namespace. Tests give a small buffer to see events get lost.
    static Result<Monitor> open(int receive_buffer_bytes = 16 << 20);
    Monitor(Monitor &&) noexcept;
    Monitor &operator=(Monitor &&) noexcept;
    ~Monitor();

    const Topology &topology() const;
    int fd() const; // poll for POLLIN, then call handle()
    // Takes in all waiting events. True if the topology changed. After an overrun (ENOBUFS) everything is
    // read again.
    Result<bool> handle();
    // On which devices somebody changed what runs in clsact, or removed it, since this was last asked. It is
    // not said what: other devices' filters are many, and cost no more than this. No part of the topology.
    struct ClsactChanges {
        std::set<int> ifindexes{};
        bool lost = false; // events were: it may be any
        bool concern(int ifindex) const { return lost || ifindexes.contains(ifindex); }
    };
    ClsactChanges take_clsact_changes();

  private:
    struct Impl;
    explicit Monitor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace lk
