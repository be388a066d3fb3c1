// SPDX-License-Identifier: MIT
// A msghdr with what it points to, for sendmsg and recvmsg: data of the caller's, room of its own for the
// other side's address and for control data.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>

#include "harness/bytes.h"

namespace lk::harness {

class Message {
  public:
    // Of LENGTH bytes at DATA, which outlive it. As it is, ready to receive.
    Message(void *data, std::size_t length) : part_{data, length} {
        header_.msg_name = peer.get();
        header_.msg_namelen = sizeof(peer.storage);
        header_.msg_iov = &part_;
        header_.msg_iovlen = 1;
        header_.msg_control = control_;
        header_.msg_controllen = sizeof(control_);
    }
    // To send DATA to TO.
    Message(const SockAddr &to, Bytes &data) : Message(data.data(), data.size()) {
        peer = to;
        header_.msg_namelen = to.length;
        header_.msg_controllen = 0;
    }
    Message(const Message &) = delete;
    Message &operator=(const Message &) = delete;

    // The kernel's view of it.
    msghdr *get() { return &header_; }
    // Of what was received, LENGTH bytes shall be sent.
    void resize(std::size_t length) { part_.iov_len = length; }

    // One piece of control data, in place of what was there.
    template <class Info>
    void set_control(int level, int type, const Info &info) {
        static_assert(CMSG_SPACE(sizeof(Info)) <= sizeof(control_));
        std::memset(control_, 0, sizeof(control_));
        header_.msg_controllen = CMSG_SPACE(sizeof(info));
        cmsghdr *each = CMSG_FIRSTHDR(&header_);
        each->cmsg_level = level;
        each->cmsg_type = type;
        each->cmsg_len = CMSG_LEN(sizeof(info));
        std::memcpy(CMSG_DATA(each), &info, sizeof(info));
    }
    // Sent by the device IFINDEX, whatever the routes say.
    void set_device(int family, unsigned ifindex) {
        if (family == 4)
            set_control(
                IPPROTO_IP, IP_PKTINFO,
                in_pktinfo{.ipi_ifindex = static_cast<int>(ifindex), .ipi_spec_dst = {}, .ipi_addr = {}});
        else
            set_control(IPPROTO_IPV6, IPV6_PKTINFO, in6_pktinfo{.ipi6_addr = {}, .ipi6_ifindex = ifindex});
    }
    void drop_control() { header_.msg_controllen = 0; }

    // The first piece of that kind that was received.
    template <class Info>
    std::optional<Info> control(int level, int type) {
        for (cmsghdr *each = CMSG_FIRSTHDR(&header_); each; each = CMSG_NXTHDR(&header_, each)) {
            if (each->cmsg_level != level || each->cmsg_type != type) continue;
            Info info{};
            std::memcpy(&info, CMSG_DATA(each), sizeof(info));
            return info;
        }
        return std::nullopt;
    }

    SockAddr peer; // whom it is to or from

  private:
    iovec part_;
    alignas(cmsghdr) char control_[512] = {};
    msghdr header_{};
};

} // namespace lk::harness
