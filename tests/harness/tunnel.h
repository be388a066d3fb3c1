// SPDX-License-Identifier: MIT
// A tunnel over a bare TUN device, or a TAP: one process at each end carries its packets inside UDP,
// scrambled so that no marked bytes show in the clear.
#pragma once

#include <memory>

#include "harness/netns.h"
#include "harness/sender.h"

namespace lk::harness {

enum class TunnelEnd { client, server };

constexpr std::uint16_t tunnel_port = 1195; // at gateway4

struct TunnelOptions {
    bool tap = false; // its packets have MAC headers
    std::uint16_t port = tunnel_port;
};

// Makes DEVICE in NETNS; it is gone when the process ends. The client's socket is made by the VPN user.
std::unique_ptr<Helper> start_tunnel_end(const Netns &netns, const std::string &device, TunnelEnd end,
                                         const TunnelOptions &options = {});

} // namespace lk::harness
