// SPDX-License-Identifier: MIT
// No port is left for a query: a client with many addresses takes what there is for flows of one hash. He and
// whoever comes later with the same hash is refused, and what was there before goes on.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns_world.h"
#include "netns/dns_bucket.h"

using namespace lk;
using namespace lk::harness;
using testing::HasSubstr;

namespace {

constexpr unsigned clients = LK_NAT_SLOTS / LK_NAT_SHARE + 1; // one more than there is room for

Ip client(unsigned number) {
    return Ip::of(fmt::format("10.10.0.{}", 3 + number).c_str()); // none of them is masqueraded
}

class DnsPorts : public DnsTest, public testing::WithParamInterface<int> {
  protected:
    int type() const { return GetParam(); }

    void SetUp() override {
        make({.name = type() == SOCK_STREAM ? "dnsportst" : "dnsportsu", .tunnel = true, .responder = false},
             {resolver4.str()});
        resolver_ = start_resolver(world_->isp());
        for (unsigned i = 1; i < clients; ++i) {
            world_->container().ip(fmt::format("addr add {}/24 dev eth0", client(i).str()));
            world_->host().ip(fmt::format("neigh replace {} lladdr 02:00:00:00:10:02 dev cbr0 nud permanent",
                                          client(i).str()));
        }
    }

    unsigned bucket_of(const Ip &asker, std::uint16_t port) const {
        lk_nat_flow flow{};
        memcpy(&flow.asker, asker.mapped().bytes().data(), sizeof(flow.asker));
        memcpy(&flow.server, public4.mapped().bytes().data(), sizeof(flow.server));
        memcpy(&flow.resolver, resolver4.mapped().bytes().data(), sizeof(flow.resolver));
        memcpy(&flow.asker_port, be16(port).data(), sizeof(flow.asker_port));
        flow.tunnel = static_cast<__u32>(world_->host().ifindex("tun0"));
        flow.ifindex = static_cast<__u32>(world_->host().ifindex("eth0"));
        return lk_dns_bucket(&flow, type() == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP);
    }

    // COUNT ports of ASKER whose flows are in BUCKET, or are not.
    std::vector<std::uint16_t> ports(const Ip &asker, unsigned bucket, std::size_t count,
                                     bool in = true) const {
        std::vector<std::uint16_t> found;
        for (std::uint16_t port = 10000; found.size() < count && port < 32768; ++port)
            if ((bucket_of(asker, port) == bucket) == in) found.push_back(port);
        return found;
    }

    // Queries, or the beginnings of connections, from all that a client may have in BUCKET.
    void flood(const Ip &from, unsigned bucket) {
        const Seat seat = world_->container_seat(false);
        std::vector<Bytes> frames;
        for (const std::uint16_t port : ports(from, bucket, LK_NAT_SHARE)) {
            const bool stream = type() == SOCK_STREAM;
            const Bytes upper =
                stream ? tcp(from, public4, port, dns, SYN) : udp(from, public4, port, dns, "a flood");
            frames.push_back(ethernet(seat.next_mac, seat.mac, 0x0800,
                                      ip(from, public4, stream ? IPPROTO_TCP : IPPROTO_UDP, upper)));
        }
        ASSERT_EQ(frames.size(), LK_NAT_SHARE);
        seat.netns->inside([&] { inject(seat.device, frames); });
    }

    How from_port(std::uint16_t port) const {
        return {.type = type(), .connected = true, .source = host_, .has_source = true, .port = port};
    }

    // By somebody else than the one who has a flow there.
    std::string trouble_of_a_newcomer(std::uint16_t port) const {
        return as({.netns = world_->host().fd(), .uid = user_uid},
                  [&] { ask(from_port(port), public4, "a newcomer"); });
    }

    const Ip host_ = Ip::of("10.9.0.2");
};

TEST_P(DnsPorts, AFloodCostsNobodyHisFlow) {
    const std::uint16_t first = 20000;
    const unsigned bucket = bucket_of(host_, first);
    const std::vector<std::uint16_t> same = ports(host_, bucket, 1);
    const std::vector<std::uint16_t> other = ports(host_, bucket, 1, false);
    ASSERT_EQ(same.size() + other.size(), 2u);
    ASSERT_NE(same[0], first);
    const std::size_t since = world_->capture().position();
    EXPECT_EQ(counted("uplink", "dns-ports"), 0u);

    const Fd before = asker_in(world_->host(), from_port(first), public4);
    const auto goes_on = [&](const Bytes &query) {
        return caught([&] {
            send_query(before.get(), from_port(first), public4, query);
            receive_answer(before.get(), from_port(first), public4, query);
        });
    };
    EXPECT_EQ(goes_on("before the flood"), "");
    for (unsigned i = 0; i < clients; ++i)
        flood(client(i), bucket);
    world_->capture().settle();
    // At once: what has rested for five seconds is free.
    EXPECT_THAT(trouble_of_a_newcomer(same[0]), HasSubstr("Connection refused"));
    EXPECT_EQ(goes_on("after the flood"), "");
    EXPECT_GT(counted("uplink", "dns-ports"), LK_NAT_SHARE) << "of the last client, and the newcomer's";
    EXPECT_EQ(trouble_of_a_newcomer(other[0]), "") << "of another hash";
    // A flow of UDP that rests is over after some seconds; a connection, after minutes.
    if (type() == SOCK_DGRAM) {
        EXPECT_TRUE(eventually([&] { return trouble_of_a_newcomer(same[0]).empty(); }, 15s));
    }
    EXPECT_EQ(in_the_clear(since), 0u);
}

INSTANTIATE_TEST_SUITE_P(Protocols, DnsPorts, testing::Values(SOCK_DGRAM, SOCK_STREAM), [](const auto &test) {
    return std::string(test.param == SOCK_DGRAM ? "udp" : "tcp");
});

} // namespace
