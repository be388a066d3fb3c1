// SPDX-License-Identifier: MIT
// What the tests of kernel/state share: a guarded host with one uplink, a far side that sees what leaves,
// images made by hand, and what of ours is in the kernel. Loads the real programs; knows nothing of control/.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "harness/netns.h"
#include "harness/process.h"
#include "harness/sandbox.h"
#include "harness/walk.h"
#include "kernel/pins.h"
#include "kernel/state.h"
#include "kernel/sys.h"
#include "net/netns.h"

namespace lk::harness {

using namespace std::chrono_literals;

inline const char *gateway_text = "198.51.100.7";
inline const char *other_text = "198.51.100.8";

constexpr std::size_t socket_hooks = 10;

class StateWorld {
  public:
    explicit StateWorld(const std::string &name);

    Netns &host() { return host_; }
    Netns &far() { return far_; }
    int uplink() const { return host_.ifindex("up0"); }
    Place place() const { return place_; }

    // Calls BODY in the host's namespace, where a State works.
    void inside(const std::function<void()> &body) const { host_.inside(body); }

    // Sends one UDP datagram from the host to port 51820 of ADDRESS.
    void send(const std::string &address, const std::string &payload) const;
    // Sends one with a payload of its own, and tells whether the far side saw it.
    bool passes(const std::string &address);

  private:
    Netns host_, far_;
    Place place_;
    Fd capture_;
    unsigned sent_ = 0;
};

template <typename T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
}
inline void must(const Result<void> &result) {
    if (!result) throw std::runtime_error(result.error().message);
}

inline StateWorld::StateWorld(const std::string &name)
    : host_("lk-" + name + "-host"), far_("lk-" + name + "-far") {
    host_.ip(fmt::format("link add up0 type veth peer name far0 netns {}", far_.name()));
    far_.ip("addr add 203.0.113.1/24 dev far0\nlink set far0 up");
    host_.ip("addr add 203.0.113.2/24 dev up0\nlink set up0 up\nroute add default via 203.0.113.1");
    host_.ip(fmt::format("neigh replace 203.0.113.1 lladdr {} dev up0 nud permanent", [&] {
        std::string text;
        for (const char byte : far_.mac("far0"))
            text += fmt::format("{}{:02x}", text.empty() ? "" : ":", static_cast<unsigned char>(byte));
        return text;
    }()));
    place_.bpffs = Sandbox::current().bpffs();
    place_.cgroup_root = Sandbox::current().cgroup_root();
    host_.inside([&] { place_.netns_cookie = must(netns_cookie()); });
    far_.inside([&] {
        capture_.reset(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(0x0003)));
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(0x0003);
        address.sll_ifindex = static_cast<int>(if_nametoindex("far0"));
        if (::bind(capture_.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0)
            throw std::runtime_error("bind of the capture");
    });
}

inline void StateWorld::send(const std::string &address, const std::string &payload) const {
    host_.inside([&] {
        const Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(51820);
        inet_pton(AF_INET, address.c_str(), &to.sin_addr);
        ::sendto(socket.get(), payload.data(), payload.size(), 0, reinterpret_cast<sockaddr *>(&to),
                 sizeof(to));
    });
}

inline bool StateWorld::passes(const std::string &address) {
    const auto token = fmt::format("leakbpf-state-{}-{};", place_.netns_cookie, ++sent_);
    send(address, token);
    // A veth pair delivers in the sender's own context: what is not there soon was not let out.
    pollfd wait{capture_.get(), POLLIN, 0};
    while (::poll(&wait, 1, 40) > 0) {
        std::array<char, 2048> frame{};
        const auto length = ::recv(capture_.get(), frame.data(), frame.size(), 0);
        if (length > 0 && std::string_view{frame.data(), static_cast<std::size_t>(length)}.find(token) !=
                              std::string_view::npos)
            return true;
    }
    return false;
}

// A policy for the device that allows everything to the GATEWAYS.
inline MapImage image_for(int ifindex, const std::vector<Address> &gateways) {
    MapImage image;
    image.gateway_sets.emplace_back();
    for (const auto &gateway : gateways)
        image.gateway_sets[0].hosts.push_back({Prefix::host(gateway), true, {}});
    image.net_sets.push_back({});
    DeviceRow row;
    row.name = "up0";
    row.gateway_set = 0;
    row.net_set = 0;
    row.record.ifindex = static_cast<__u32>(ifindex);
    row.record.n_own = 1;
    row.record.own[0] = Address::parse("203.0.113.2").value().abi();
    row.record.policy.flags = LK_POLICY_ACTIVE | LK_POLICY_GW_HOSTS;
    image.devices.push_back(row);
    image.host_gateway_set = 0;
    image.host_net_set = 0;
    image.host.policy = row.record.policy;
    return image;
}

inline MapImage image_for(int ifindex, const std::string &gateway) {
    return image_for(ifindex, std::vector{Address::parse(gateway).value()});
}

// COUNT gateways from 10.0.0.1 on.
inline std::vector<Address> many_gateways(unsigned count) {
    std::vector<Address> gateways;
    for (std::uint32_t i = 1; i <= count; ++i) {
        const std::uint32_t address = htonl(0x0a000000 + i);
        gateways.push_back(Address::from_v4(&address));
    }
    return gateways;
}

// A document that can be told from others by NAME.
inline Document document_named(const std::string &name) {
    Scope scope;
    scope.uplinks = {name};
    scope.policy.lockdown = true;
    return Document{{scope}};
}

inline std::string name_of(const Document &document) {
    return document.scopes.empty() ? "" : document.scopes.front().uplinks.front();
}

// BPF objects pinned anywhere below DIRECTORY.
inline std::set<BpfObject> pinned_objects(const std::string &directory) {
    std::set<BpfObject> objects;
    for (const auto &path : all_below(directory)) {
        if (std::filesystem::is_directory(path)) continue;
        const auto opened = open_pin(path.string());
        if (opened.error != 0) continue;
        if (const auto object = identify(opened.fd.get())) objects.insert(*object);
    }
    return objects;
}

// Waits until none of OBJECTS exists any more; returns those that stay.
inline std::vector<std::string> remaining(const std::set<BpfObject> &objects) {
    std::vector<std::string> left;
    eventually([&] {
        left.clear();
        for (const auto &object : objects)
            if (exists(object)) left.push_back(describe(object));
        return left.empty();
    });
    return left;
}

// Lock, state, socket hooks, a policy for GATEWAY and the uplink, as attach does it.
inline State attached_state(StateWorld &world, const std::string &gateway,
                            HookKind kind = HookKind::automatic) {
    std::optional<State> state;
    world.inside([&] {
        const auto lock = must(Lock::take(world.place(), 5s));
        state = must(State::open_or_create(world.place()));
        must(state->attach_cgroup_hooks());
        must(state->commit(image_for(world.uplink(), gateway), document_named(gateway)));
        must(state->attach_uplink(world.uplink(), kind));
    });
    return std::move(*state);
}

inline void remove_all(StateWorld &world) {
    world.inside([&] {
        const auto lock = must(Lock::take(world.place(), 5s));
        must(State::remove_all(world.place()));
    });
}

inline void remove_all_closing(StateWorld &world, State state) {
    { const auto closed = std::move(state); }
    remove_all(world);
}

} // namespace lk::harness
