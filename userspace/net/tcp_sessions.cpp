// SPDX-License-Identifier: MIT
#include "net/tcp_sessions.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <algorithm>
#include <functional>
#include <string>

#include "net/netlink_socket.h"

namespace lk {

namespace {

constexpr std::uint32_t with_somebody = 1u << TCP_ESTABLISHED | 1u << TCP_SYN_RECV | 1u << TCP_FIN_WAIT1 |
                                        1u << TCP_FIN_WAIT2 | 1u << TCP_CLOSE_WAIT | 1u << TCP_LAST_ACK |
                                        1u << TCP_CLOSING;

Address address_of(std::uint8_t family, const void *bytes) {
    return family == AF_INET ? Address::from_v4(bytes) : Address::from_v6(bytes);
}

struct Listener {
    TcpSession at; // what is remote in it is of no meaning
    bool takes_v4 = false;
};

// The kernel tells it of each listening IPv6 socket; without that it takes no IPv4.
bool v6_only(const nlmsghdr &message) {
    const nlattr *only =
        nlmsg_find_attr(const_cast<nlmsghdr *>(&message), sizeof(inet_diag_msg), INET_DIAG_SKV6ONLY);
    return !only || nla_len(only) < 1 || nla_get_u8(only);
}

// A socket inherits what the one that listens is bound to.
bool covers(const Listener &listener, const TcpSession &session) {
    const TcpSession &at = listener.at;
    if (at.local_port != session.local_port) return false;
    if (at.bound_to && at.bound_to != session.bound_to) return false;
    if (at.local == session.local) return true;
    constexpr std::uint8_t zero[4]{};
    if (at.local == Address::from_v4(zero)) return session.local.is_v4();
    return at.local == Address() && (!session.local.is_v4() || listener.takes_v4);
}

std::optional<TcpSession> read_session(const nlmsghdr &message) {
    if (message.nlmsg_type != SOCK_DIAG_BY_FAMILY || message.nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg)))
        return {};
    const auto &told = *static_cast<const inet_diag_msg *>(NLMSG_DATA(&message));
    if (told.idiag_family != AF_INET && told.idiag_family != AF_INET6) return {};
    TcpSession session;
    session.local = address_of(told.idiag_family, told.id.idiag_src);
    session.remote = address_of(told.idiag_family, told.id.idiag_dst);
    session.local_port = ntohs(told.id.idiag_sport);
    session.remote_port = ntohs(told.id.idiag_dport);
    session.uid = told.idiag_uid;
    session.bound_to = static_cast<int>(told.id.idiag_if);
    if (const nlattr *mark =
            nlmsg_find_attr(const_cast<nlmsghdr *>(&message), sizeof(inet_diag_msg), INET_DIAG_MARK);
        mark && nla_len(mark) >= 4)
        session.mark = nla_get_u32(mark);
    return session;
}

class RouteRequest {
  public:
    explicit RouteRequest(const TcpSession &session) : v4_(session.remote.is_v4()) {
        rtmsg head{};
        head.rtm_family = v4_ ? AF_INET : AF_INET6;
        head.rtm_dst_len = head.rtm_src_len = v4_ ? 32 : 128;
        bytes_.assign(reinterpret_cast<const char *>(&head), sizeof head);
        add(RTA_DST, session.remote);
        add(RTA_SRC, session.local);
        add(RTA_IP_PROTO, std::uint8_t{IPPROTO_TCP});
        add(RTA_SPORT, htons(session.local_port));
        add(RTA_DPORT, htons(session.remote_port));
        add(RTA_UID, session.uid);
        if (session.mark) add(RTA_MARK, session.mark);
        if (session.bound_to) add(RTA_OIF, session.bound_to);
    }
    const std::string &bytes() const { return bytes_; }

  private:
    template <typename Value>
    void add(unsigned short type, const Value &value) {
        put(type, &value, sizeof value);
    }
    void add(unsigned short type, const Address &address) {
        const auto &bytes = address.bytes();
        put(type, bytes.data() + (v4_ ? 12 : 0), v4_ ? 4 : 16);
    }
    void put(unsigned short type, const void *value, std::size_t size) {
        const nlattr head{static_cast<std::uint16_t>(NLA_HDRLEN + size), type};
        bytes_.append(reinterpret_cast<const char *>(&head), sizeof head);
        bytes_.append(static_cast<const char *>(value), size);
        bytes_.resize(NLA_ALIGN(bytes_.size()));
    }
    bool v4_;
    std::string bytes_;
};

Result<void> each_socket(NetlinkSocket &socket, std::uint32_t states,
                         const std::function<void(const nlmsghdr &, const TcpSession &)> &on_socket) {
    for (const int family : {AF_INET, AF_INET6}) {
        inet_diag_req_v2 request{};
        request.sdiag_family = static_cast<__u8>(family);
        request.sdiag_protocol = IPPROTO_TCP;
        request.idiag_states = states;
        const auto take = [&](const nlmsghdr &message) {
            if (const auto session = read_session(message)) on_socket(message, *session);
        };
        if (auto asked = socket.ask(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request, take); !asked)
            return asked.error();
    }
    return {};
}

Result<std::optional<int>> way_of(NetlinkSocket &socket, const TcpSession &session) {
    const RouteRequest request(session);
    std::optional<int> way;
    const auto take = [&way](const nlmsghdr &message) {
        if (message.nlmsg_type != RTM_NEWROUTE) return;
        const auto &route = *static_cast<const rtmsg *>(NLMSG_DATA(&message));
        if (route.rtm_type != RTN_UNICAST) return;
        if (const nlattr *out = nlmsg_find_attr(const_cast<nlmsghdr *>(&message), sizeof(rtmsg), RTA_OIF);
            out && nla_len(out) >= 4)
            way = static_cast<int>(nla_get_u32(out));
    };
    const auto asked =
        socket.ask(RTM_GETROUTE, NLM_F_ACK, request.bytes().data(), request.bytes().size(), take);
    if (!asked) return asked.error();
    return way;
}

} // namespace

Result<std::vector<TcpSession>> tcp_sessions(const std::set<std::uint16_t> &local_ports) {
    std::vector<TcpSession> sessions;
    if (local_ports.empty()) return sessions;
    auto socket = NetlinkSocket::open(NETLINK_SOCK_DIAG);
    if (!socket) return socket.error();
    const auto keep = [&](const nlmsghdr &, const TcpSession &session) {
        if (local_ports.contains(session.local_port)) sessions.push_back(session);
    };
    if (auto read = each_socket(*socket, with_somebody, keep); !read) return read.error();
    if (sessions.empty()) return sessions;
    std::vector<Listener> listeners;
    const auto listens = [&](const nlmsghdr &message, const TcpSession &at) {
        if (local_ports.contains(at.local_port)) listeners.push_back({at, !v6_only(message)});
    };
    if (auto read = each_socket(*socket, 1u << TCP_LISTEN, listens); !read) return read.error();
    std::erase_if(sessions, [&](const TcpSession &session) {
        return std::ranges::none_of(listeners, [&](const Listener &one) { return covers(one, session); });
    });
    return sessions;
}

std::vector<std::optional<int>> ways_of(const std::vector<TcpSession> &sessions) {
    std::vector<std::optional<int>> ways(sessions.size());
    std::optional<NetlinkSocket> socket;
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        if (!socket) {
            auto opened = NetlinkSocket::open(NETLINK_ROUTE);
            if (!opened) return ways;
            socket.emplace(*std::move(opened));
        }
        // After a failure an answer may come late, and would be taken for that of the next.
        if (const auto way = way_of(*socket, sessions[i]))
            ways[i] = *way;
        else
            socket.reset();
    }
    return ways;
}

} // namespace lk
