// SPDX-License-Identifier: MIT
#include "net/link_ends.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/fd.h"
#include "net/netlink_socket.h"
#include "net/netns.h"

namespace lk {

namespace {

constexpr int most_tries = 20;

std::string text(nlattr *attribute) {
    return attribute ? nla_get_string(attribute) : "";
}

std::optional<std::int32_t> number(nlattr *attribute) {
    if (!attribute || nla_len(attribute) < 4) return {};
    return nla_get_s32(attribute);
}

// A device, and by which number its own namespace knows the one that its other part is in.
struct Found {
    LinkEnd end;
    int link = 0;
    std::optional<std::int32_t> nsid;
    bool loopback = false;
};

std::optional<Found> read_found(const nlmsghdr &message) {
    auto *header = const_cast<nlmsghdr *>(&message);
    std::array<nlattr *, IFLA_MAX + 1> attributes{};
    if (message.nlmsg_type != RTM_NEWLINK ||
        nlmsg_parse(header, sizeof(ifinfomsg), attributes.data(), IFLA_MAX, nullptr) != 0)
        return {};
    const auto *info = static_cast<const ifinfomsg *>(nlmsg_data(header));
    Found found;
    found.end.ifindex = info->ifi_index;
    found.end.ethernet = info->ifi_type == ARPHRD_ETHER;
    found.end.name = text(attributes[IFLA_IFNAME]);
    found.link = number(attributes[IFLA_LINK]).value_or(0);
    found.nsid = number(attributes[IFLA_LINK_NETNSID]);
    found.loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
    if (attributes[IFLA_LINKINFO]) {
        std::array<nlattr *, IFLA_INFO_MAX + 1> nested{};
        if (nla_parse_nested(nested.data(), IFLA_INFO_MAX, attributes[IFLA_LINKINFO], nullptr) == 0)
            found.end.kind = text(nested[IFLA_INFO_KIND]);
    }
    return found;
}

// By which number the thread's namespace knows that of OUTSIDE; none: by no number.
std::optional<std::int32_t> number_of(NetlinkSocket &socket, int outside) {
    struct {
        rtgenmsg header{};
        std::uint8_t pad[3]{};
        nlattr attribute{.nla_len = sizeof(nlattr) + sizeof(std::int32_t), .nla_type = NETNSA_FD};
        std::int32_t fd = -1;
    } request;
    request.fd = outside;
    std::optional<std::int32_t> number_there;
    const auto asked =
        socket.ask(RTM_GETNSID, NLM_F_ACK, &request, sizeof(request), [&](const nlmsghdr &message) {
            std::array<nlattr *, NETNSA_MAX + 1> found{};
            auto *header = const_cast<nlmsghdr *>(&message);
            if (message.nlmsg_type == RTM_NEWNSID &&
                nlmsg_parse(header, sizeof(rtgenmsg), found.data(), NETNSA_MAX, nullptr) == 0)
                number_there = number(found[NETNSA_NSID]);
        });
    if (!asked || number_there == NETNSA_NSID_NOT_ASSIGNED) return {};
    return number_there;
}

// In the thread's own namespace.
Result<std::vector<LinkEnd>> ends_here(int outside) {
    auto socket = NetlinkSocket::open(NETLINK_ROUTE);
    if (!socket) return socket.error();
    std::vector<Found> all;
    bool is_whole = false;
    for (int tries = 0; tries < most_tries && !is_whole; ++tries) {
        all.clear();
        const ifinfomsg request{};
        const auto whole =
            socket->ask(RTM_GETLINK, NLM_F_DUMP, &request, sizeof(request), [&](const nlmsghdr &message) {
                if (auto found = read_found(message)) all.push_back(*std::move(found));
            });
        if (!whole) return whole.error();
        is_whole = *whole;
    }
    if (!is_whole) return failure("the devices of a container change faster than they can be read");
    const auto ours = number_of(*socket, outside); // after the dump, which gives out the numbers
    std::vector<LinkEnd> ends;
    for (Found &each : all) {
        const bool hardware = each.end.kind.empty() && !each.loopback;
        if (!each.nsid && !hardware) continue;
        if (each.end.kind == "veth" && ours && each.nsid == ours) each.end.outer_ifindex = each.link;
        ends.push_back(std::move(each.end));
    }
    return ends;
}

} // namespace

Result<std::vector<LinkEnd>> link_ends(int netns) {
    const Fd outside{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
    if (!outside) return failure(fmt::format("/proc/thread-self/ns/net: {}", std::strerror(errno)));
    Result<std::vector<LinkEnd>> ends = std::vector<LinkEnd>{};
    if (auto seen = in_netns(netns, [&] { ends = ends_here(outside.get()); }); !seen) return seen.error();
    return ends;
}

} // namespace lk
