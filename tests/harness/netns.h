// SPDX-License-Identifier: MIT
// Network namespaces by name, below the sandbox's own /run/netns: `leakbpf --netns NAME` and `ip netns` find
// them.
#pragma once

#include <functional>
#include <string>

#include "base/fd.h"

namespace lk::harness {

class Netns {
  public:
    explicit Netns(std::string name); // made now, with lo up; IPv6 autoconfiguration and DAD are off
    Netns(const Netns &) = delete;
    Netns &operator=(const Netns &) = delete;
    ~Netns();

    const std::string &name() const { return name_; }
    std::string path() const { return "/run/netns/" + name_; }
    int fd() const { return fd_.get(); }

    // Calls BODY with the calling thread in this namespace, then goes back.
    void inside(const std::function<void()> &body) const;
    // A line for `ip -batch`, several separated by newlines, run in here. Throws with ip's words.
    void ip(const std::string &lines) const;
    // Writes /proc/sys/net/KEY, e.g. "ipv4/ip_forward".
    void sysctl(const std::string &key, const std::string &value) const;
    // Where the machine has br_netfilter: bridges in here pass on what it would hold.
    void switch_off_bridge_netfilter() const;
    int ifindex(const std::string &device) const;     // 0: no such device
    std::string mac(const std::string &device) const; // six bytes

  private:
    std::string name_;
    Fd fd_;
};

// Sets IFF_UP in the calling thread's namespace.
void bring_up(const std::string &device);

} // namespace lk::harness
