// SPDX-License-Identifier: MIT
// A host with an uplink and a tunnel to the same far side, where one process is the resolver behind the
// tunnel and the public server behind the uplink. The tunnel is a bare veth: what is measured is what the
// kernel does with a query, not what a VPN daemon does.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "bench/own_cgroup.h"
#include "harness/netns.h"
#include "harness/process.h"
#include "harness/sender.h"

namespace lk::bench {

enum class Way { leakbpf, translated, nftables, nftables_again, unfiltered, unfiltered_again };
constexpr Way ways[] = {Way::leakbpf, Way::translated, Way::nftables, Way::nftables_again, Way::unfiltered};
const char *name_of(Way way);

// Where the route to the server that is asked leads. By the tunnel is how a VPN that takes all traffic is set
// up; by the uplink, each query has to change its device.
enum class Route { tunnel, uplink };

class DnsWorld {
  public:
    // Throws where the way cannot be set up.
    DnsWorld(Way way, Route route);
    ~DnsWorld();
    DnsWorld(const DnsWorld &) = delete;
    DnsWorld &operator=(const DnsWorld &) = delete;
    // Runs BODY on the host, in a control group whose hooks are this way's alone. The process stays in it
    // while this lives.
    void inside(const std::function<void()> &body) const;

  private:
    OwnCgroup cgroup_;
    bool guarded_ = false;
    harness::Netns isp_, host_;
    std::unique_ptr<harness::Helper> server_;
};

} // namespace lk::bench
