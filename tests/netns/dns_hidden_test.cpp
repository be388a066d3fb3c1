// SPDX-License-Identifier: MIT
// Queries into a tunnel that are not read as queries: behind IPv4 options or a routing header, which every
// user may put there, or with lengths that do not fit. They do not come out at the other end; the same
// packets to another port do.
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <sys/socket.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dns_world.h"
#include "harness/must.h"

using namespace lk;
using namespace lk::harness;

namespace {

const Ip own4 = Ip::of("10.42.0.2"), own6 = Ip::of("2001:db8:42::2");
constexpr std::uint16_t other = 54;

// What comes out of the tunnel's far end.
class FarEnd {
  public:
    explicit FarEnd(const World &world, const Netns &isp) : world_(world) {
        isp.inside([&] {
            fd_ = Fd(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)));
            sockaddr_ll at{};
            at.sll_family = AF_PACKET;
            at.sll_protocol = htons(ETH_P_ALL);
            at.sll_ifindex = isp.ifindex("tun0");
            must(bind(fd_.get(), reinterpret_cast<sockaddr *>(&at), sizeof(at)) == 0, "bind");
        });
        const timeval limit{5, 0};
        setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    }

    // All that was sent before this call.
    std::string seen() {
        const Bytes last = fmt::format("lk<fence-{}>", fences_++);
        EXPECT_EQ(as({.netns = world_.host_seat().netns->fd()},
                     [&] {
                         const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                         SockAddr to(tunneled4, other);
                         must(sendto(fd.get(), last.data(), last.size(), 0, to.get(), to.length) > 0,
                              "sendto");
                     }),
                  "");
        Bytes all;
        while (all.find(last) == Bytes::npos) {
            char data[4096];
            const ssize_t got = recv(fd_.get(), data, sizeof(data), 0);
            if (got <= 0) throw std::runtime_error("the tunnel does not carry");
            all.append(data, static_cast<std::size_t>(got));
        }
        return all;
    }

  private:
    const World &world_;
    Fd fd_;
    int fences_ = 0;
};

// A header of two times eight bytes or more, as type 2 of Mobile IPv6 is (RFC 6275 6.4).
Bytes routing(std::uint8_t next) {
    return Bytes{static_cast<char>(next), 2, 2, 1} + be32(0) + tunneled6.bytes();
}
Bytes options_header(std::uint8_t next) { // eight bytes of padding (RFC 8200 4.2)
    return Bytes{static_cast<char>(next), 0, 1, 4} + be32(0);
}
Bytes chain(std::size_t headers) {
    Bytes all;
    for (std::size_t i = 1; i <= headers; ++i)
        all += options_header(static_cast<std::uint8_t>(i == headers ? +IPPROTO_UDP : +IPPROTO_DSTOPTS));
    return all;
}

Bytes syn(const Ip &from, const Ip &to, std::uint16_t port, const Bytes &data) {
    return tcp(from, to, 40000, port, SYN, 1, 0, data);
}
Bytes datagram(const Ip &from, const Ip &to, std::uint16_t port, const Bytes &data) {
    return udp(from, to, 40000, port, data);
}
Bytes behind_options(std::uint16_t port, const Bytes &data, const Bytes &options) {
    return ip(own4, tunneled4, IPPROTO_UDP, datagram(own4, tunneled4, port, data), {.options = options});
}
Bytes with_length(std::uint16_t length, std::uint16_t port, const Bytes &data) {
    return ip(own6, tunneled6, IPPROTO_UDP,
              datagram(own6, tunneled6, port, data).replace(4, 2, be16(length)));
}

struct Shape {
    const char *name;
    std::function<Bytes(std::uint16_t port, const Bytes &data)> packet;
    bool told_by_port = true;
};

const Shape shapes[] = {
    {"UDP behind a word of IPv4 options",
     [](auto port, const auto &data) { return behind_options(port, data, be32(0x01010101)); }},
    {"UDP behind forty bytes of IPv4 options",
     [](auto port, const auto &data) { return behind_options(port, data, Bytes(40, '\1')); }},
    {"TCP behind IPv4 options",
     [](auto port, const auto &data) {
         return ip(own4, tunneled4, IPPROTO_TCP, syn(own4, tunneled4, port, data), {.options = be32(1)});
     }},
    {"a first fragment behind IPv4 options",
     [](auto port, const auto &data) {
         return ip(own4, tunneled4, IPPROTO_UDP, datagram(own4, tunneled4, port, data),
                   {.fragment = 0x2000, .options = be32(1)});
     }},
    {"UDP behind a routing header",
     [](auto port, const auto &data) {
         return ip(own6, tunneled6, IPPROTO_ROUTING,
                   routing(IPPROTO_UDP) + datagram(own6, tunneled6, port, data));
     }},
    {"TCP behind options and a routing header",
     [](auto port, const auto &data) {
         return ip(own6, tunneled6, IPPROTO_DSTOPTS,
                   options_header(IPPROTO_ROUTING) + routing(IPPROTO_TCP) + syn(own6, tunneled6, port, data));
     }},
    {"UDP behind nine headers",
     [](auto port, const auto &data) {
         return ip(own6, tunneled6, IPPROTO_DSTOPTS, chain(9) + datagram(own6, tunneled6, port, data));
     }},
    {"UDP behind a routing header in a first fragment",
     [](auto port, const auto &data) {
         return ip(own6, tunneled6, IPPROTO_ROUTING,
                   routing(IPPROTO_FRAGMENT) + fragment_header(IPPROTO_UDP, 0, true, 7) +
                       datagram(own6, tunneled6, port, data));
     }},
    {"a first fragment that ends before the ports",
     [](auto, const auto &data) {
         const Bytes padding = Bytes{IPPROTO_UDP, 1, 1, 12} + data + Bytes(12 - data.size(), '\0');
         return ip(own6, tunneled6, IPPROTO_FRAGMENT, fragment_header(IPPROTO_DSTOPTS, 0, true, 7) + padding);
     },
     false},
    {"UDP behind more headers than are walked",
     [](auto port, const auto &data) {
         return ip(own6, tunneled6, IPPROTO_DSTOPTS, chain(20) + datagram(own6, tunneled6, port, data));
     },
     false},
    {"UDP of no length", [](auto port, const auto &data) { return with_length(0, port, data); }},
    {"UDP longer than its packet", [](auto port, const auto &data) { return with_length(999, port, data); }},
    {"UDP of no length to the resolver itself",
     [](auto port, const auto &data) {
         return ip(own6, resolver6, IPPROTO_UDP,
                   datagram(own6, resolver6, port, data).replace(4, 2, be16(0)));
     }},
};

class DnsHidden : public DnsTest, public testing::WithParamInterface<bool> {
  protected:
    void SetUp() override {
        make({.name = tap() ? "dnshidtap" : "dnshidtun",
              .tunnel = true,
              .tap = tap(),
              .container = false,
              .responder = false},
             {resolver4.str(), resolver6.str()},
             tap() ? std::vector<std::string>{"--tunnel", "tun0"} : std::vector<std::string>{});
        far_.emplace(*world_, world_->isp());
    }
    static bool tap() { return GetParam(); }

    // By hand into the tunnel.
    void send(const Bytes &packet) {
        const std::uint16_t type = packet[0] >> 4 == 4 ? 0x0800 : 0x86dd;
        const Bytes mac = "\x02\x01\x02\x03\x04\x05";
        world_->host().inside(
            [&] { inject("tun0", {tap() ? ethernet(mac, mac, type, packet) : packet}, !tap()); });
    }

    std::optional<FarEnd> far_;
};

TEST_P(DnsHidden, DoNotComeOut) {
    std::uint64_t before = counted("tunnel", "malformed");
    for (const Shape &shape : shapes) {
        const Bytes query = "lk<hidden>", data = "lk<data>";
        send(shape.packet(dns, query));
        send(shape.packet(other, data));
        const std::string seen = far_->seen();
        EXPECT_EQ(seen.find(query), seen.npos) << shape.name;
        EXPECT_EQ(seen.find(data) != seen.npos, shape.told_by_port) << shape.name;
        const std::uint64_t after = counted("tunnel", "malformed");
        EXPECT_EQ(after - before, shape.told_by_port ? 1u : 2u) << shape.name;
        before = after;
    }
}

// IPv6 whose addresses are those of IPv4 written as IPv6: not what goes to the IPv4 resolver.
TEST_P(DnsHidden, ToTheResolverInTheWrongFamily) {
    attach({resolver4.str()},
           tap() ? std::vector<std::string>{"--tunnel", "tun0"} : std::vector<std::string>{});
    const Ip from = Ip::of("::ffff:10.42.0.2"), to = Ip::of("::ffff:10.42.0.1");
    const std::uint64_t before = counted("tunnel", "malformed");
    for (const std::uint16_t port : {dns, other}) {
        const Bytes data = fmt::format("lk<mapped-{}>", port);
        send(ip(from, to, IPPROTO_UDP, datagram(from, to, port, data)));
        EXPECT_EQ(far_->seen().find(data) != Bytes::npos, port == other);
    }
    EXPECT_EQ(counted("tunnel", "malformed"), before + 1);
}

// As an ordinary user does it.
TEST_P(DnsHidden, OfASocketWithOptions) {
    const auto send_with = [](const Ip &to, int level, int name, const Bytes &value, std::uint16_t port,
                              const Bytes &data) {
        const Fd fd(socket(to.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        must(setsockopt(fd.get(), level, name, value.data(), static_cast<socklen_t>(value.size())) == 0,
             "options");
        SockAddr server(to, port);
        must(sendto(fd.get(), data.data(), data.size(), 0, server.get(), server.length) > 0, "sendto");
    };
    const auto as_user = [&](const std::function<void()> &body) {
        return as({.netns = world_->host().fd(), .uid = user_uid}, body);
    };
    bool routed = true;
    for (const std::uint16_t port : {dns, other}) {
        const Bytes data = fmt::format("lk<user-{}>", port);
        EXPECT_EQ(
            as_user([&] { send_with(tunneled4, IPPROTO_IP, IP_OPTIONS, be32(0x01010101), port, data); }), "");
        EXPECT_EQ(far_->seen().find(data) != Bytes::npos, port == other);
        const Bytes data6 = fmt::format("lk<user6-{}>", port);
        const std::string sent =
            as_user([&] { send_with(tunneled6, IPPROTO_IPV6, IPV6_RTHDR, routing(0), port, data6); });
        routed = routed && sent.empty();
        if (sent.empty()) {
            EXPECT_EQ(far_->seen().find(data6) != Bytes::npos, port == other);
        }
    }
    if (!routed) GTEST_SKIP() << "IPv4 alone: this kernel has no Mobile IPv6";
}

INSTANTIATE_TEST_SUITE_P(Kinds, DnsHidden, testing::Values(false, true),
                         [](const auto &test) { return std::string(test.param ? "tap" : "tun"); });

} // namespace
