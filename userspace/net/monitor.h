// SPDX-License-Identifier: MIT
// Keeps a Topology current: subscribes to netlink first and reads after, so that no event is lost in between.
#pragma once

#include <memory>

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

  private:
    struct Impl;
    explicit Monitor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace lk
