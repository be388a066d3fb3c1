// SPDX-License-Identifier: MIT
#include "net/netlink_messages.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/nexthop.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "net/stacking.h"

namespace lk {

namespace {

template <std::size_t count>
using Attributes = std::array<nlattr *, count>;

// The fixed part of a message, or none if it is shorter; its attributes go to FOUND.
template <typename Header, std::size_t count>
const Header *open_message(const nlmsghdr &message, Attributes<count> &found) {
    auto *header = const_cast<nlmsghdr *>(&message);
    if (!nlmsg_valid_hdr(header, sizeof(Header))) return nullptr;
    nlmsg_parse(header, sizeof(Header), found.data(), count - 1, nullptr);
    return static_cast<const Header *>(nlmsg_data(header));
}

std::optional<std::uint32_t> number(const nlattr *attribute) {
    if (!attribute || nla_len(attribute) < 4) return {};
    return nla_get_u32(attribute);
}

bool is_global_v6(const rtmsg &header, const nlattr *destination) {
    return header.rtm_family == AF_INET6 && header.rtm_dst_len == 3 && destination &&
           nla_len(destination) == 16 && *static_cast<const std::uint8_t *>(nla_data(destination)) == 0x20;
}

std::string text(const nlattr *attribute) {
    if (!attribute) return {};
    const auto *bytes = static_cast<const char *>(nla_data(attribute));
    return {bytes, strnlen(bytes, static_cast<std::size_t>(nla_len(attribute)))};
}

std::optional<Address> address_of(int family, const void *bytes, int length) {
    if (family == AF_INET && length >= 4) return Address::from_v4(bytes);
    if (family == AF_INET6 && length >= 16) return Address::from_v6(bytes);
    return {};
}

std::optional<Address> address_of(int family, const nlattr *attribute) {
    if (!attribute) return {};
    return address_of(family, nla_data(attribute), nla_len(attribute));
}

// What a device of kind tun is: TUNSETLINK changes the type that is shown, but not what its packets look
// like.
unsigned tun_type(nlattr *data, unsigned shown) {
    if (!data) return shown;
    Attributes<IFLA_TUN_MAX + 1> found{};
    nla_parse_nested(found.data(), IFLA_TUN_MAX, data, nullptr);
    if (!found[IFLA_TUN_TYPE] || nla_len(found[IFLA_TUN_TYPE]) < 1) return shown;
    switch (nla_get_u8(found[IFLA_TUN_TYPE])) {
    case IFF_TUN: return ARPHRD_NONE;
    case IFF_TAP: return ARPHRD_ETHER;
    default: return shown;
    }
}

std::optional<Address> gateway_of(int family, const nlattr *gateway, const nlattr *via) {
    if (via && nla_len(via) > static_cast<int>(sizeof(rtvia::rtvia_family))) {
        const auto *other = static_cast<const rtvia *>(nla_data(via));
        return address_of(other->rtvia_family, other->rtvia_addr,
                          nla_len(via) - static_cast<int>(sizeof other->rtvia_family));
    }
    return address_of(family, gateway);
}

void read_multipath(int family, const nlattr *all, std::vector<Hop> &hops) {
    auto *one = static_cast<rtnexthop *>(nla_data(all));
    for (int left = nla_len(all); RTNH_OK(one, left);) {
        Attributes<RTA_MAX + 1> found{};
        nla_parse(found.data(), RTA_MAX, reinterpret_cast<nlattr *>(RTNH_DATA(one)),
                  one->rtnh_len - static_cast<int>(RTNH_LENGTH(0)), nullptr);
        hops.push_back({one->rtnh_ifindex, gateway_of(family, found[RTA_GATEWAY], found[RTA_VIA])});
        left -= static_cast<int>(RTNH_ALIGN(one->rtnh_len));
        one = RTNH_NEXT(one);
    }
}

} // namespace

std::optional<Device> read_link(const nlmsghdr &message) {
    Attributes<IFLA_MAX + 1> found{};
    const auto *header = open_message<ifinfomsg>(message, found);
    if (!header || header->ifi_family != AF_UNSPEC || !found[IFLA_IFNAME]) return {};
    Device device;
    device.ifindex = header->ifi_index;
    device.name = text(found[IFLA_IFNAME]);
    device.arphrd = header->ifi_type;
    device.loopback = header->ifi_flags & IFF_LOOPBACK;
    device.up = header->ifi_flags & IFF_UP;
    device.mtu = static_cast<unsigned>(number(found[IFLA_MTU]).value_or(0));
    device.master = static_cast<int>(number(found[IFLA_MASTER]).value_or(0));
    if (found[IFLA_LINKINFO]) {
        Attributes<IFLA_INFO_MAX + 1> info{};
        nla_parse_nested(info.data(), IFLA_INFO_MAX, found[IFLA_LINKINFO], nullptr);
        device.kind = text(info[IFLA_INFO_KIND]);
        if (device.kind == "tun") device.arphrd = tun_type(info[IFLA_INFO_DATA], device.arphrd);
    }
    if (!is_stacked_kind(device.kind)) return device; // a veth's IFLA_LINK is its peer
    device.lower_elsewhere = found[IFLA_LINK_NETNSID] != nullptr;
    if (!device.lower_elsewhere) device.lower = static_cast<int>(number(found[IFLA_LINK]).value_or(0));
    return device;
}

std::optional<int> read_deleted_link(const nlmsghdr &message) {
    Attributes<IFLA_MAX + 1> found{};
    const auto *header = open_message<ifinfomsg>(message, found);
    if (!header || header->ifi_family != AF_UNSPEC) return {};
    return header->ifi_index;
}

std::optional<AddressMessage> read_address(const nlmsghdr &message) {
    Attributes<IFA_MAX + 1> found{};
    const auto *header = open_message<ifaddrmsg>(message, found);
    if (!header) return {};
    // On a point-to-point device IFA_ADDRESS is the other end; elsewhere it repeats IFA_LOCAL or stands
    // alone.
    const auto local = address_of(header->ifa_family, found[IFA_LOCAL]);
    const auto address = address_of(header->ifa_family, found[IFA_ADDRESS]);
    if (!local && !address) return {};
    AddressMessage read;
    read.ifindex = static_cast<int>(header->ifa_index);
    read.address.address = local ? *local : *address;
    read.address.prefix_length = header->ifa_prefixlen;
    read.address.tentative = number(found[IFA_FLAGS]).value_or(header->ifa_flags) & IFA_F_TENTATIVE;
    if (local && address && *local != *address) read.address.peer = address;
    if (read.address.prefix_length > read.address.address.width()) return {};
    return read;
}

bool read_route(const nlmsghdr &message, RouteMessage &into) {
    Attributes<RTA_MAX + 1> found{};
    const auto *header = open_message<rtmsg>(message, found);
    if (!header || (header->rtm_family != AF_INET && header->rtm_family != AF_INET6)) return false;
    if (header->rtm_type != RTN_UNICAST || (header->rtm_flags & RTM_F_CLONED)) return false;
    if (number(found[RTA_TABLE]).value_or(header->rtm_table) == RT_TABLE_LOCAL) return false;
    into.is_default = header->rtm_dst_len == 0;
    into.is_wide = header->rtm_dst_len <= 1 || is_global_v6(*header, found[RTA_DST]);
    into.nexthop_id = number(found[RTA_NH_ID]).value_or(0);
    into.hops.clear();
    if (found[RTA_MULTIPATH]) read_multipath(header->rtm_family, found[RTA_MULTIPATH], into.hops);
    if (const auto ifindex = number(found[RTA_OIF]))
        into.hops.push_back(
            {static_cast<int>(*ifindex), gateway_of(header->rtm_family, found[RTA_GATEWAY], found[RTA_VIA])});
    return true;
}

std::optional<NexthopMessage> read_nexthop(const nlmsghdr &message) {
    Attributes<NHA_MAX + 1> found{};
    const auto *header = open_message<nhmsg>(message, found);
    if (!header || !number(found[NHA_ID])) return {};
    NexthopMessage read;
    read.id = *number(found[NHA_ID]);
    if (const auto *group = found[NHA_GROUP]) {
        const auto *members = static_cast<const nexthop_grp *>(nla_data(group));
        const auto count = static_cast<std::size_t>(nla_len(group)) / sizeof(nexthop_grp);
        for (std::size_t i = 0; i < count; ++i)
            read.group.push_back(members[i].id);
    } else if (const auto ifindex = number(found[NHA_OIF]); ifindex && !found[NHA_BLACKHOLE]) {
        read.hop = Hop{static_cast<int>(*ifindex), address_of(header->nh_family, found[NHA_GATEWAY])};
    }
    return read;
}

int changed_clsact(const nlmsghdr &message) {
    switch (message.nlmsg_type) {
    case RTM_DELQDISC:
    case RTM_NEWTFILTER: // also in place of another
    case RTM_DELTFILTER:
    case RTM_DELCHAIN: break;
    default: return 0;
    }
    auto *header = const_cast<nlmsghdr *>(&message);
    if (!nlmsg_valid_hdr(header, sizeof(tcmsg))) return 0;
    const auto &object = *static_cast<const tcmsg *>(nlmsg_data(header));
    const bool in_clsact = TC_H_MAJ(object.tcm_parent) == TC_H_MAJ(TC_H_CLSACT);
    return in_clsact && object.tcm_parent != TC_H_ROOT ? object.tcm_ifindex : 0;
}

} // namespace lk
