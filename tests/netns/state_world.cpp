// SPDX-License-Identifier: MIT
#include "netns/state_world.h"

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
#include <stdexcept>
#include <string_view>

#include "kernel/pins.h"
#include "net/netns.h"

namespace lk::harness {

StateWorld::StateWorld(const std::string &name) : host_("lk-" + name + "-host"), far_("lk-" + name + "-far") {
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

bool StateWorld::passes(const std::string &address) {
    const auto token = fmt::format("leakbpf-state-{}-{};", place_.netns_cookie, ++sent_);
    host_.inside([&] {
        const Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(51820);
        inet_pton(AF_INET, address.c_str(), &to.sin_addr);
        ::sendto(socket.get(), token.data(), token.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to));
    });
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

MapImage image_for(int ifindex, const std::vector<Address> &gateways) {
    MapImage image;
    image.gateway_sets.emplace_back();
    for (const auto &gateway : gateways) image.gateway_sets[0].hosts.push_back({Prefix::host(gateway), true, {}});
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

MapImage image_for(int ifindex, const std::string &gateway) {
    return image_for(ifindex, std::vector{Address::parse(gateway).value()});
}

std::vector<Address> many_gateways(unsigned count) {
    std::vector<Address> gateways;
    for (std::uint32_t i = 1; i <= count; ++i) {
        const std::uint32_t address = htonl(0x0a000000 + i);
        gateways.push_back(Address::from_v4(&address));
    }
    return gateways;
}

Document document_named(const std::string &name) {
    Scope scope;
    scope.uplinks = {name};
    scope.policy.lockdown = true;
    return Document{{scope}};
}

std::string name_of(const Document &document) {
    return document.scopes.empty() ? "" : document.scopes.front().uplinks.front();
}

std::set<BpfObject> pinned_objects(const std::string &directory) {
    std::set<BpfObject> objects;
    for (const auto &entry : std::filesystem::recursive_directory_iterator(directory)) {
        if (entry.is_directory()) continue;
        const auto opened = open_pin(entry.path().string());
        if (opened.error != 0) continue;
        if (const auto object = identify(opened.fd.get())) objects.insert(*object);
    }
    return objects;
}

std::vector<std::string> remaining(const std::set<BpfObject> &objects) {
    std::vector<std::string> left;
    eventually([&] {
        left.clear();
        for (const auto &object : objects)
            if (exists(object)) left.push_back(describe(object));
        return left.empty();
    });
    return left;
}

State attached_state(StateWorld &world, const std::string &gateway, HookKind kind) {
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

void remove_all(StateWorld &world) {
    world.inside([&] {
        const auto lock = must(Lock::take(world.place(), 5s));
        must(State::remove_all(world.place()));
    });
}

} // namespace lk::harness
