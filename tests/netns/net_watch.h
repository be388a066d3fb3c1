// SPDX-License-Identifier: MIT
// What the tests of net/ share: reading and watching the topology of a namespace.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>
#include <ostream>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "harness/netns.h"
#include "net/monitor.h"
#include "net/topology.h"

namespace lk {

inline std::string describe(const Device &device) {
    std::string text = fmt::format("{} {} kind={} type={} master={} lower={}{}{}{}{}", device.ifindex,
                                   device.name, device.kind, device.arphrd, device.master, device.lower,
                                   device.lower_elsewhere ? " elsewhere" : "", device.up ? " up" : "",
                                   device.access_point ? " ap" : "", device.default_route ? " default" : "");
    for (const DeviceAddress &one : device.addresses)
        text += fmt::format(" {}/{}{}{}", one.address.str(), one.prefix_length,
                            one.peer ? " peer " + one.peer->str() : "", one.tentative ? " tentative" : "");
    for (const Address &hop : device.next_hops)
        text += " via " + hop.str();
    for (const Address &router : device.routers)
        text += " router " + router.str();
    return text;
}

inline std::ostream &operator<<(std::ostream &out, const Topology &topology) {
    for (const Device &device : topology.devices)
        out << describe(device) << "\n";
    return out;
}

namespace test {

inline Topology snapshot(const harness::Netns &netns) {
    Topology found;
    netns.inside([&] {
        auto read = read_topology();
        if (!read) throw std::runtime_error(read.error().message);
        found = std::move(*read);
    });
    return found;
}

// The device as text, addresses of fe80::/10 left out; "" if there is none.
inline std::string device(const Topology &topology, const std::string &name) {
    const Device *found = topology.find(name);
    if (!found) return "";
    Device plain = *found;
    std::erase_if(plain.addresses,
                  [](const DeviceAddress &one) { return one.address.str().starts_with("fe80:"); });
    return describe(plain);
}

inline bool has_address(const Topology &topology, const std::string &name, const std::string &address) {
    return (device(topology, name) + " ").find(" " + address + "/") != std::string::npos;
}

inline bool has_hop(const Topology &topology, const std::string &name, const std::string &hop) {
    const Device *found = topology.find(name);
    if (!found) return false;
    for (const Address &one : found->next_hops)
        if (one.str() == hop) return true;
    return false;
}

inline bool has_default(const Topology &topology, const std::string &name) {
    const Device *found = topology.find(name);
    return found && found->default_route;
}

class Watch {
  public:
    explicit Watch(const harness::Netns &netns, int receive_buffer_bytes = 16 << 20)
        : netns_(netns), monitor_(open(netns, receive_buffer_bytes)) {}

    const Topology &topology() const { return monitor_.topology(); }
    Monitor &monitor() { return monitor_; }

    // Waits by poll, takes in what comes, until CONDITION holds.
    bool until(const std::function<bool(const Topology &)> &condition,
               std::chrono::milliseconds timeout = std::chrono::seconds(5)) {
        const auto end = std::chrono::steady_clock::now() + timeout;
        while (!condition(topology())) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
            if (left.count() <= 0) return false;
            pollfd waiting{.fd = monitor_.fd(), .events = POLLIN, .revents = 0};
            if (poll(&waiting, 1, static_cast<int>(left.count())) == 1) handle();
        }
        return true;
    }

    // Until it is what a new reading of everything finds.
    bool until_true() {
        return until([this](const Topology &seen) { return seen == snapshot(netns_); });
    }

    bool handle() {
        const Topology before = topology();
        auto handled = monitor_.handle();
        if (!handled) throw std::runtime_error(handled.error().message);
        if (before != topology() && !*handled) throw std::runtime_error("a change that was not reported");
        return *handled;
    }

  private:
    static Monitor open(const harness::Netns &netns, int receive_buffer_bytes) {
        std::optional<Monitor> opened;
        netns.inside([&] {
            auto monitor = Monitor::open(receive_buffer_bytes);
            if (!monitor) throw std::runtime_error(monitor.error().message);
            opened = std::move(*monitor);
        });
        return std::move(*opened);
    }

    const harness::Netns &netns_;
    Monitor monitor_;
};

} // namespace test
} // namespace lk
