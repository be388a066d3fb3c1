// SPDX-License-Identifier: MIT
// Somebody on the uplink's LAN wants to know which address the tunnel has, and sends to it from port 53, so
// that the answers look like queries (as CVE-2019-14899 does with other ports): services of the host hear
// him, and nothing leaves by which he would learn it, neither to him nor into the tunnel.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "dns_world.h"
#include "harness/responder.h"
#include "harness/tunnel.h"

using namespace lk;
using namespace lk::harness;

namespace {

constexpr std::uint16_t service = 8080;

struct Probe {
    const char *name;
    Ip to4, to6;
    std::uint16_t port;        // from which it is sent
    const char *tcp, *udp;     // by which reason the answer is counted; none: nobody answers
    bool told = false;         // he gets one
    bool by_the_tunnel = true; // his may leave there, which he cannot tell from any other query
};

const Ip tunnel4 = Ip::of("10.42.0.2"), tunnel6 = Ip::of("2001:db8:42::2");
const Ip nobody4 = Ip::of("10.42.0.77"), nobody6 = Ip::of("2001:db8:42::77");
const Ip host4 = Ip::of("10.9.0.2"), host6 = Ip::of("2001:db8:9::2");

const Probe probes[] = {
    {"the tunnel's address, from port 53", tunnel4, tunnel6, 53, "source", "source", false, false},
    {"the tunnel's address", tunnel4, tunnel6, 40000, "source", "source", false, false},
    {"nobody's address, from port 53", nobody4, nobody6, 53, nullptr, nullptr, false, false},
    {"the uplink's address", host4, host6, 40000, "lan", "lan", true, false},
    // The resolver answers that, and the service hears it too: last.
    {"the uplink's address, from port 53", host4, host6, 53, "dns-flow", "dns"},
};

class DnsProbes : public DnsTest {
  protected:
    void SetUp() override {
        make({.name = "dnsprobe", .tunnel = true, .container = false, .responder = false},
             {resolver4.str(), resolver6.str()}, {"--lan", "2001:db8:9::/64"});
        resolver_ = start_resolver(world_->isp());
        world_->host().sysctl("ipv4/tcp_synack_retries", "0");
        world_->host().inside([&] {
            stream_ = listener(SOCK_STREAM, service);
            datagrams_ = listener(SOCK_DGRAM, service);
        });
    }

    // FRAME is one to ADDRESS.
    static bool is_to(const Bytes &frame, const Ip &address) {
        return frame.compare(address.family == 4 ? 30 : 38, address.bytes().size(), address.bytes()) == 0;
    }

    void probe(const Probe &probe, const Ip &from, const Ip &to, int type) {
        SCOPED_TRACE(fmt::format("{}: {}, {}", probe.name, to.str(), type == SOCK_STREAM ? "TCP" : "UDP"));
        const bool tcp_probe = type == SOCK_STREAM;
        const char *reason = tcp_probe ? probe.tcp : probe.udp;
        const std::uint64_t before = reason ? counted("uplink", reason) : 0;
        const std::size_t since = world_->capture().position();
        const Seat seat = world_->isp_seat();
        const Bytes upper = tcp_probe ? tcp(from, to, probe.port, service, SYN)
                                      : udp(from, to, probe.port, service, "who is there");
        const Bytes packet = ip(from, to, tcp_probe ? IPPROTO_TCP : IPPROTO_UDP, upper);
        world_->isp().inside([&] {
            inject(seat.device,
                   {ethernet(seat.next_mac, seat.mac, from.family == 4 ? 0x0800 : 0x86dd, packet)});
        });
        if (!tcp_probe && reason) {
            pollfd heard{datagrams_.get(), POLLIN, 0};
            ASSERT_EQ(poll(&heard, 1, 2000), 1) << "the service did not hear it";
            world_->host().inside([&] { echo_datagram(datagrams_.get()); });
        }
        if (reason) {
            EXPECT_TRUE(eventually([&] { return counted("uplink", reason) > before; })) << reason;
        }
        EXPECT_EQ(in_the_clear(since), 0u);
        std::size_t told = 0, outer = 0;
        for (std::size_t i = since; i < world_->capture().position(); ++i) {
            told += is_to(world_->capture().frame(i), from);
            outer += is_to(world_->capture().frame(i), gateway4);
        }
        EXPECT_EQ(told > 0, probe.told) << told << " frames";
        if (!probe.by_the_tunnel) {
            EXPECT_EQ(outer, 0u) << "frames of the tunnel";
        }
    }

    Fd stream_, datagrams_;
};

TEST_F(DnsProbes, AreNotAnswered) {
    const Ip neighbour4 = Ip::of("10.9.0.77"), neighbour6 = Ip::of("2001:db8:9::77");
    for (const Probe &each : probes)
        for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
            probe(each, neighbour4, each.to4, type);
            probe(each, neighbour6, each.to6, type);
        }
}

} // namespace
