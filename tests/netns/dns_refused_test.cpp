// SPDX-License-Identifier: MIT
// What the tunnel cannot carry is refused there as on an uplink: who asks is told at once, by a reset or an
// ICMP error, a socket of the host and a client behind it alike, on a tun and on a tap.
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns_world.h"

using namespace lk;
using namespace lk::harness;
using testing::HasSubstr;

namespace {

class DnsRefused : public DnsTest, public testing::WithParamInterface<bool> {
  protected:
    void SetUp() override {
        make({.name = GetParam() ? "dnsreftap" : "dnsreftun",
              .tunnel = true,
              .tap = GetParam(),
              .responder = false},
             {resolver6.str()}, more());
        resolver_ = start_resolver(world_->isp());
    }
    static std::vector<std::string> more() {
        return GetParam() ? std::vector<std::string>{"--tunnel", "tun0"} : std::vector<std::string>{};
    }

    struct Asker {
        std::string name;
        const Netns *netns;
        How how;
        Ip server;
        uid_t uid = 0;
    };
    // By each way, from each seat, with each protocol.
    std::vector<Asker> askers(const Ip &by_tunnel, const Ip &by_uplink) const {
        std::vector<Asker> all;
        const Seat nated = world_->container_seat(true), routed = world_->container_seat(false);
        for (const Ip &server : {by_tunnel, by_uplink})
            for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
                const std::string what =
                    fmt::format("{} to {}, ", type == SOCK_STREAM ? "TCP" : "UDP", server.str());
                const How how{.type = type, .connected = true};
                all.push_back({what + "of the host", &world_->host(), how, server});
                for (const Seat *seat : {&nated, &routed}) {
                    How bound = how;
                    bound.source = server.family == 4 ? seat->source4 : seat->source6;
                    bound.has_source = true;
                    all.push_back(
                        {what + (seat == &nated ? "masqueraded" : "routed"), seat->netns, bound, server});
                }
            }
        return all;
    }

    // TOLD: what they are told; empty: they are answered.
    void expect_all(const std::vector<Asker> &all, const std::string &told) {
        for (const Asker &each : all) {
            const std::size_t since = world_->capture().position();
            const std::string trouble =
                as({.netns = each.netns->fd(), .uid = 0}, [&] { ask(each.how, each.server, each.name); });
            fmt::print("{:<60} {}\n", each.name, trouble.empty() ? "answered" : trouble);
            if (told.empty()) {
                EXPECT_EQ(trouble, "") << each.name;
            } else {
                EXPECT_THAT(trouble, HasSubstr(told)) << each.name;
            }
            EXPECT_EQ(in_the_clear(since), 0u) << each.name;
        }
    }
};

TEST_P(DnsRefused, WhereNoResolverServesTheQuery) {
    expect_all(askers(tunneled4, public4), "Connection refused");
    EXPECT_GT(counted("tunnel", "dns-no-resolver"), 0u);
    expect_all(askers(tunneled6, public6), "");
    attach({resolver4.str(), resolver6.str()}, more());
    expect_all(askers(tunneled4, public4), "");
}

// A connection whose resolver is no more.
TEST_P(DnsRefused, AConnectionToTheResolverOfBefore) {
    const Seat routed = world_->container_seat(false);
    const auto connection = [](const Netns &netns, const Ip &own) {
        return asker_in(netns, {.type = SOCK_STREAM, .source = own, .has_source = true}, tunneled6);
    };
    const Fd here = connection(world_->host(), Ip::of("2001:db8:42::2"));
    const Fd behind = connection(*routed.netns, routed.source6);
    const auto goes_on = [](const Fd &fd) {
        const How how{.type = SOCK_STREAM};
        return caught([&] {
            send_query(fd.get(), how, tunneled6, "again");
            receive_answer(fd.get(), how, tunneled6, "again");
        });
    };
    for (const Fd *fd : {&here, &behind})
        EXPECT_EQ(goes_on(*fd), "");
    attach({resolver4.str()}, more());
    for (const Fd *fd : {&here, &behind})
        EXPECT_THAT(goes_on(*fd), HasSubstr("Connection reset"));
    EXPECT_GT(counted("tunnel", "dns-flow"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Kinds, DnsRefused, testing::Values(false, true),
                         [](const auto &test) { return std::string(test.param ? "tap" : "tun"); });

} // namespace
