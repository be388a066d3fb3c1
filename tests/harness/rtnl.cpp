// SPDX-License-Identifier: MIT
#include "harness/rtnl.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

namespace lk::harness {

namespace {

template <typename T>
Bytes bytes_of(const T &value) {
    return Bytes(reinterpret_cast<const char *>(&value), sizeof(value));
}

Bytes attribute(std::uint16_t type, const Bytes &value) {
    const rtattr head{static_cast<std::uint16_t>(RTA_LENGTH(value.size())), type};
    Bytes bytes = bytes_of(head) + value;
    bytes.resize(RTA_ALIGN(bytes.size()));
    return bytes;
}

} // namespace

Rtnl::Rtnl(const Netns &netns) {
    netns.inside([this] { socket_ = Fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)); });
    if (!socket_) throw std::runtime_error("no netlink socket");
}

void Rtnl::request(std::uint16_t type, bool add, const Bytes &body) {
    nlmsghdr head{};
    head.nlmsg_len = static_cast<std::uint32_t>(NLMSG_LENGTH(body.size()));
    head.nlmsg_type = type;
    head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE : 0));
    head.nlmsg_seq = ++sequence_;
    const Bytes message = bytes_of(head) + body;
    struct {
        nlmsghdr head;
        nlmsgerr error;
        char rest[1024];
    } answer{};
    if (send(socket_.get(), message.data(), message.size(), 0) < 0 ||
        recv(socket_.get(), &answer, sizeof(answer), 0) < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(int))))
        throw std::runtime_error(fmt::format("netlink: {}", strerror(errno)));
    if (answer.head.nlmsg_type == NLMSG_ERROR && answer.error.error != 0)
        throw std::runtime_error(fmt::format("netlink message {}: {}", type, strerror(-answer.error.error)));
}

void Rtnl::address(bool add, int ifindex, const Ip &address, unsigned prefix) {
    ifaddrmsg body{};
    body.ifa_family = AF_INET;
    body.ifa_prefixlen = static_cast<std::uint8_t>(prefix);
    body.ifa_index = static_cast<unsigned>(ifindex);
    request(add ? RTM_NEWADDR : RTM_DELADDR, add,
            bytes_of(body) + attribute(IFA_LOCAL, address.bytes()) + attribute(IFA_ADDRESS, address.bytes()));
}

void Rtnl::route(bool add, int ifindex, const Ip &to, unsigned prefix, unsigned metric) {
    rtmsg body{};
    body.rtm_family = AF_INET;
    body.rtm_dst_len = static_cast<std::uint8_t>(prefix);
    body.rtm_table = RT_TABLE_MAIN;
    body.rtm_protocol = RTPROT_STATIC;
    body.rtm_scope = RT_SCOPE_LINK;
    body.rtm_type = RTN_UNICAST;
    Bytes attributes = attribute(RTA_OIF, bytes_of(ifindex)) + attribute(RTA_PRIORITY, bytes_of(metric));
    if (prefix > 0) attributes += attribute(RTA_DST, to.bytes());
    request(add ? RTM_NEWROUTE : RTM_DELROUTE, add, bytes_of(body) + attributes);
}

} // namespace lk::harness
