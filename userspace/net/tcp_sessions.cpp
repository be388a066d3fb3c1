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

#include <cstring>
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

} // namespace

Result<std::vector<TcpSession>> tcp_sessions(const std::set<std::uint16_t> &local_ports) {
    std::vector<TcpSession> sessions;
    if (local_ports.empty()) return sessions;
    auto socket = NetlinkSocket::open(NETLINK_SOCK_DIAG);
    if (!socket) return socket.error();
    for (const int family : {AF_INET, AF_INET6}) {
        inet_diag_req_v2 request{};
        request.sdiag_family = static_cast<__u8>(family);
        request.sdiag_protocol = IPPROTO_TCP;
        request.idiag_states = with_somebody;
        const auto take = [&](const nlmsghdr &message) {
            const auto session = read_session(message);
            if (session && local_ports.contains(session->local_port)) sessions.push_back(*session);
        };
        if (auto asked = socket->ask(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof request, take); !asked)
            return asked.error();
    }
    return sessions;
}

std::optional<int> way_of(const TcpSession &session) {
    auto socket = NetlinkSocket::open(NETLINK_ROUTE);
    if (!socket) return {};
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
        socket->ask(RTM_GETROUTE, NLM_F_ACK, request.bytes().data(), request.bytes().size(), take);
    return asked ? way : std::nullopt;
}

} // namespace lk
