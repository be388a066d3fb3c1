// SPDX-License-Identifier: MIT
// Changes of addresses and routes by a netlink socket of one's own, where starting `ip` would take longer
// than what is measured. IPv4 only.
#pragma once

#include "base/fd.h"
#include "harness/bytes.h"
#include "harness/netns.h"

namespace lk::harness {

class Rtnl {
  public:
    explicit Rtnl(const Netns &netns);
    // Each throws when the kernel refuses, and returns when it is done.
    void address(bool add, int ifindex, const Ip &address, unsigned prefix);
    void route(bool add, int ifindex, const Ip &to, unsigned prefix, unsigned metric); // on the link

  private:
    Fd socket_;
    unsigned sequence_ = 0;
    void request(std::uint16_t type, bool add, const Bytes &body);
};

} // namespace lk::harness
