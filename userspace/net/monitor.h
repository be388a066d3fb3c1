// SPDX-License-Identifier: MIT
// Keeps a Topology current: subscribes to netlink first and reads after, so that no event is lost in between.
#pragma once

#include <memory>

#include "base/result.h"
#include "net/topology.h"

namespace lk {

class Monitor {
  public:
    static Result<Monitor> open(); // of the calling thread's network namespace
    Monitor(Monitor &&) noexcept;
    Monitor &operator=(Monitor &&) noexcept;
    ~Monitor();

    const Topology &topology() const;
    int fd() const; // poll for POLLIN, then call handle()
    // Takes in all waiting events. True if the topology changed. After an overrun (ENOBUFS) everything is read again.
    Result<bool> handle();

  private:
    struct Impl;
    explicit Monitor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace lk
