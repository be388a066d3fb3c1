// SPDX-License-Identifier: MIT
// What the tests of kernel/state share: a guarded host with one uplink, a far side that sees what leaves, images
// made by hand, and what of ours is in the kernel. Loads the real programs; knows nothing of control/.
#pragma once

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "harness/netns.h"
#include "harness/process.h"
#include "harness/sandbox.h"
#include "kernel/state.h"
#include "kernel/sys.h"

namespace lk::harness {

using namespace std::chrono_literals;

inline const char *gateway_text = "198.51.100.7";
inline const char *other_text = "198.51.100.8";

class StateWorld {
  public:
    explicit StateWorld(const std::string &name);

    Netns &host() { return host_; }
    Netns &far() { return far_; }
    int uplink() const { return host_.ifindex("up0"); }
    Place place() const { return place_; }

    // Calls BODY in the host's namespace, where a State works.
    void inside(const std::function<void()> &body) const { host_.inside(body); }

    // Sends one UDP datagram from the host to ADDRESS over up0, and tells whether the far side saw it.
    bool passes(const std::string &address);

  private:
    Netns host_, far_;
    Place place_;
    Fd capture_;
    unsigned sent_ = 0;
};

// A policy for DEVICE that allows everything to the GATEWAYS.
MapImage image_for(int ifindex, const std::vector<Address> &gateways);
MapImage image_for(int ifindex, const std::string &gateway);
// COUNT gateways from 10.0.0.1 on.
std::vector<Address> many_gateways(unsigned count);
// A document that can be told from others by NAME.
Document document_named(const std::string &name);
std::string name_of(const Document &document);

// BPF objects pinned anywhere below DIRECTORY.
std::set<BpfObject> pinned_objects(const std::string &directory);
// Waits until none of OBJECTS exists any more; returns those that stay.
std::vector<std::string> remaining(const std::set<BpfObject> &objects);

template <typename T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}
inline void must(const Result<void> &result) {
    if (!result) throw std::runtime_error(result.error().message);
}

// Lock, state, socket hooks, a policy for GATEWAY and the uplink, as attach does it.
State attached_state(StateWorld &world, const std::string &gateway, HookKind kind = HookKind::automatic);
void remove_all(StateWorld &world);

} // namespace lk::harness
