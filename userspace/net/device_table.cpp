// SPDX-License-Identifier: MIT
#include "net/device_table.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <tuple>

#include "net/netlink_messages.h"

namespace lk {

namespace {

constexpr int most_tries = 20;

// Leaves the statistics out, which are most of a device's description.
struct LinkRequest {
    ifinfomsg header{};
    rtattr mask{.rta_len = RTA_LENGTH(sizeof(std::uint32_t)), .rta_type = IFLA_EXT_MASK};
    std::uint32_t filter = 1 << 3; // RTEXT_FILTER_SKIP_STATS
};

Device *find(std::vector<Device> &devices, int ifindex) {
    const auto at = std::ranges::lower_bound(devices, ifindex, {}, &Device::ifindex);
    return at != devices.end() && at->ifindex == ifindex ? &*at : nullptr;
}

// The kernel's own idea of which address an event is about: IPv6 ones are unique on a device, and their peer
// can change; the same IPv4 one may stand there under several prefixes.
bool same(const DeviceAddress &one, const DeviceAddress &other) {
    if (one.address != other.address) return false;
    if (!one.address.is_v4()) return true;
    return one.prefix_length == other.prefix_length && one.peer == other.peer;
}

bool remove_address(Device &device, const DeviceAddress &gone) {
    return std::erase_if(device.addresses, [&](const DeviceAddress &each) { return same(each, gone); }) > 0;
}

bool put_address(Device &device, const DeviceAddress &address) {
    const auto at = std::ranges::find_if(device.addresses,
                                         [&](const DeviceAddress &each) { return same(each, address); });
    if (at != device.addresses.end()) {
        if (*at == address) return false;
        device.addresses.erase(at);
    }
    device.addresses.insert(std::ranges::upper_bound(device.addresses, address), address);
    return true;
}

DeviceEvent put_link(std::vector<Device> &devices, Device link) {
    Device *known = find(devices, link.ifindex);
    if (!known) {
        const int ifindex = link.ifindex;
        devices.insert(std::ranges::lower_bound(devices, ifindex, {}, &Device::ifindex), std::move(link));
        return {.changed = true, .appeared = ifindex};
    }
    const auto described = [](const Device &device) {
        return std::tie(device.name, device.kind, device.arphrd, device.loopback, device.up, device.mtu,
                        device.master, device.lower, device.lower_elsewhere);
    };
    DeviceEvent event;
    event.changed = described(*known) != described(link);
    event.routes_may_go = (known->up && !link.up) || known->master != link.master;
    event.switched = known->up != link.up ? link.ifindex : 0;
    link.addresses = std::move(known->addresses);
    link.next_hops = std::move(known->next_hops);
    link.routers = std::move(known->routers);
    link.default_route = known->default_route;
    link.wide_route = known->wide_route;
    link.access_point = known->access_point;
    *known = std::move(link);
    return event;
}

DeviceEvent remove_link(std::vector<Device> &devices, int ifindex) {
    if (std::erase_if(devices, [&](const Device &each) { return each.ifindex == ifindex; }) == 0) return {};
    for (Device &above : devices) {
        if (above.lower != ifindex) continue;
        above.lower = 0; // had the carrier been deleted, this one would go too: it moved to another namespace
        above.lower_elsewhere = true;
    }
    return {.changed = true, .routes_may_go = true, .disappeared = ifindex};
}

// Clears what an earlier, inconsistent answer left.
Result<void> dump_consistently(NetlinkSocket &socket, int type, const void *body, std::size_t body_bytes,
                               const std::function<void()> &clear,
                               const NetlinkSocket::OnMessage &on_message) {
    for (int i = 0; i < most_tries; ++i) {
        clear();
        auto consistent = socket.ask(type, NLM_F_DUMP, body, body_bytes, on_message);
        if (!consistent) return consistent.error();
        if (*consistent) return {};
    }
    return failure("the network devices change too fast to be read; try again when the machine has settled");
}

} // namespace

Result<std::vector<Device>> read_devices(NetlinkSocket &socket) {
    std::vector<Device> devices;
    const LinkRequest every_link;
    auto read = dump_consistently(
        socket, RTM_GETLINK, &every_link, sizeof every_link, [&] { devices.clear(); },
        [&](const nlmsghdr &message) {
            if (message.nlmsg_type != RTM_NEWLINK) return;
            if (auto link = read_link(message)) devices.push_back(std::move(*link));
        });
    if (!read) return read.error();
    std::ranges::sort(devices, {}, &Device::ifindex);

    const ifaddrmsg every_address{};
    read = dump_consistently(
        socket, RTM_GETADDR, &every_address, sizeof every_address,
        [&] {
            for (Device &device : devices)
                device.addresses.clear();
        },
        [&](const nlmsghdr &message) { apply_device_event(devices, message); });
    if (!read) return read.error();
    return devices;
}

Result<bool> find_returned_carriers(NetlinkSocket &socket, std::vector<Device> &devices) {
    std::vector<int> away;
    for (const Device &device : devices)
        if (device.lower_elsewhere) away.push_back(device.ifindex);
    bool changed = false;
    for (const int ifindex : away) {
        LinkRequest request;
        request.header.ifi_index = ifindex;
        auto answered =
            socket.ask(RTM_GETLINK, NLM_F_ACK, &request, sizeof request, [&](const nlmsghdr &message) {
                changed |= apply_device_event(devices, message).changed;
            });
        if (!answered) return answered.error();
    }
    return changed;
}

DeviceEvent apply_device_event(std::vector<Device> &devices, const nlmsghdr &message) {
    switch (message.nlmsg_type) {
    case RTM_NEWLINK:
        if (auto link = read_link(message)) return put_link(devices, std::move(*link));
        return {};
    case RTM_DELLINK:
        if (const auto ifindex = read_deleted_link(message)) return remove_link(devices, *ifindex);
        return {};
    case RTM_NEWADDR:
    case RTM_DELADDR: break;
    default: return {};
    }
    const auto about = read_address(message);
    Device *device = about ? find(devices, about->ifindex) : nullptr;
    if (!device) return {};
    if (message.nlmsg_type == RTM_NEWADDR) return {.changed = put_address(*device, about->address)};
    const bool removed = remove_address(*device, about->address);
    return {.changed = removed, .routes_may_go = removed};
}

} // namespace lk
