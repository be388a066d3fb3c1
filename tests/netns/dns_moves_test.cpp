// SPDX-License-Identifier: MIT
// A connected socket talks to the resolver itself, from the tunnel's address. The tunnel goes away under it
// and comes back, and the resolver changes: each query is answered, by whoever is the resolver then, or the
// sender is told, or it goes nowhere; never in the clear.
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

const Ip other4 = Ip::of("10.42.0.53"), other6 = Ip::of("2001:db8:42::53");

class DnsMoves : public DnsTest, public testing::WithParamInterface<Ip> {
  protected:
    void SetUp() override {
        const bool v4 = GetParam().family == 4;
        make({.name = v4 ? "dnsmove4" : "dnsmove6", .tunnel = true, .container = false, .responder = false},
             {resolver4.str(), resolver6.str()});
        resolvers_up();
    }

    void resolvers_up() {
        world_->isp().ip(
            "addr replace 10.42.0.53/24 dev tun0\naddr replace 2001:db8:42::53/64 dev tun0 nodad");
        resolver_ = start_resolver(world_->isp(), {{resolver4}, {resolver6}}, "first");
        other_ = start_resolver(world_->isp(), {{other4}, {other6}}, "other");
    }
    void tunnel_down() {
        resolver_.reset();
        other_.reset();
        world_->tunnel_down();
    }
    void tunnel_up(const char *who) {
        world_->tunnel_up();
        resolvers_up();
        word_ = who;
        EXPECT_TRUE(comes(GetParam()));
    }
    void attach_other() { attach({other4.str(), other6.str()}); }
    void attach_first() { attach({resolver4.str(), resolver6.str()}); }

    // Connected, and answered by the resolver itself.
    Fd connected(int type, const char *who) {
        Fd fd = asker_in(world_->host(), {.type = type, .connected = true}, GetParam());
        EXPECT_EQ(local_of(fd).ip, Ip::of(GetParam().family == 4 ? "10.42.0.2" : "2001:db8:42::2"));
        EXPECT_EQ(trouble_with(fd, type, who), "");
        return fd;
    }

    std::string trouble_with(const Fd &fd, int type, const char *who) {
        const How how{.type = type, .connected = true, .word = who};
        const Bytes query = fmt::format("lk<moves-{}>", number_++);
        const std::size_t since = world_->capture().position();
        const std::string trouble = caught([&] {
            send_query(fd.get(), how, GetParam(), query);
            receive_answer(fd.get(), how, GetParam(), query);
        });
        EXPECT_EQ(in_the_clear(since), 0u);
        return trouble;
    }

    // Refused by the kernel, or dropped at the uplink for its source.
    void expect_refused(const Fd &fd) {
        const std::size_t since = world_->capture().position();
        const std::uint64_t dropped = counted("uplink", "source");
        const std::string told =
            caught([&] { send_query(fd.get(), {.connected = true}, GetParam(), "nowhere"); });
        if (told.empty()) {
            EXPECT_TRUE(eventually([&] { return counted("uplink", "source") > dropped; }));
        }
        EXPECT_EQ(in_the_clear(since), 0u);
    }

    std::unique_ptr<Helper> other_;
    int number_ = 0;
};

TEST_P(DnsMoves, TheTunnelGoesAndComes) {
    const Fd fd = connected(SOCK_DGRAM, "first");
    tunnel_down();
    expect_refused(fd);
    tunnel_up("first");
    EXPECT_EQ(trouble_with(fd, SOCK_DGRAM, "first"), "");
}

TEST_P(DnsMoves, TheResolverChanges) {
    const Fd fd = connected(SOCK_DGRAM, "first"), stream = connected(SOCK_STREAM, "first");
    attach_other();
    EXPECT_EQ(trouble_with(fd, SOCK_DGRAM, "other"), "");
    EXPECT_THAT(trouble_with(stream, SOCK_STREAM, "other"), HasSubstr("Connection reset"));
    connected(SOCK_STREAM, "other");
    attach_first();
    EXPECT_EQ(trouble_with(fd, SOCK_DGRAM, "first"), "");
}

TEST_P(DnsMoves, TheResolverChangesWhileThereIsNoTunnel) {
    const Fd fd = connected(SOCK_DGRAM, "first");
    tunnel_down();
    attach_other();
    expect_refused(fd);
    tunnel_up("other");
    EXPECT_EQ(trouble_with(fd, SOCK_DGRAM, "other"), "");
    connected(SOCK_DGRAM, "other");
}

INSTANTIATE_TEST_SUITE_P(Families, DnsMoves, testing::Values(public4, public6),
                         [](const auto &test) { return std::string(test.param.family == 4 ? "v4" : "v6"); });

} // namespace
