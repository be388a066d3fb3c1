// SPDX-License-Identifier: MIT
// --bootstrap-dns with real askers: just these names leave, while there is no tunnel, and the name server on
// the far side answers; everything beside them stays.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <stdexcept>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/kernel.h"
#include "harness/name_server.h"
#include "harness/sandbox.h"
#include "harness/world.h"

using namespace lk;
using namespace lk::harness;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

const Ip server4 = Ip::of("203.0.113.9"), server6 = Ip::of("2001:db8:f::9");
const Ip other4 = Ip::of("203.0.113.10"), other6 = Ip::of("2001:db8:f::10");

class Bootstrap : public testing::Test {
  protected:
    void make(const std::string &name) {
        world_ = std::make_unique<World>(WorldOptions{.name = name, .responder = false});
        log_ = Sandbox::current().dir() + "/asked-" + name;
        server_ = start_name_server(world_->isp(), {server4, server6, other4, other6}, log_);
    }

    void attach(const std::vector<std::string> &more = {}) {
        std::vector<std::string> args = {"eth0",
                                         "--dns",
                                         resolver4.str(),
                                         "--dns",
                                         resolver6.str(),
                                         "--bootstrap-dns",
                                         server4.str() + "=vpn.example.org,big.example.org",
                                         "--bootstrap-dns",
                                         server6.str() + "=vpn.example.org"};
        for (const std::string &word : gateway_args())
            args.push_back(word);
        args.insert(args.end(), more.begin(), more.end());
        world_->attach(args);
    }

    // QUERY from the host by an ordinary user: was it answered, and was it on the uplink's wire?
    struct Seen {
        bool answered = false, left = false;
        bool operator==(const Seen &) const = default;
    };
    Seen ask(const Ip &server, const Bytes &query, int type = SOCK_DGRAM, bool connected = true,
             const Seat *seat = nullptr) {
        const std::size_t since = world_->capture().position();
        const Netns &from = seat ? *seat->netns : world_->host();
        const std::string trouble = as({.netns = from.fd(), .uid = user_uid}, [&] {
            const Fd fd(socket(server.family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0));
            const timeval limit{0, 700'000};
            setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
            setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
            if (seat) {
                const SockAddr own(server.family == 4 ? seat->source4 : seat->source6, 0);
                if (bind(fd.get(), own.get(), own.length) != 0) throw std::runtime_error("bind");
            }
            const SockAddr to(server, 53);
            if (connected && connect(fd.get(), to.get(), to.length) != 0) throw std::runtime_error("connect");
            char data[4096];
            if (sendto(fd.get(), query.data(), query.size(), MSG_NOSIGNAL, connected ? nullptr : to.get(),
                       connected ? 0 : to.length) < 0 ||
                recv(fd.get(), data, sizeof(data), 0) <= 0)
                throw std::runtime_error(strerror(errno));
        });
        world_->capture().settle();
        Mark mark;
        mark.bytes(query);
        mark.flow(server, 53);
        return {trouble.empty(), world_->capture().count(mark, since) > 0};
    }

    static constexpr Seen passes{true, true}, stays{false, false};
    std::unique_ptr<World> world_;
    std::string log_;
    std::unique_ptr<Helper> server_;
};

constexpr std::uint16_t A = 1, AAAA = 28, TXT = 16;

TEST_F(Bootstrap, JustTheseNames) {
    make("boot");
    attach();
    const Seat nated = world_->container_seat(true), routed = world_->container_seat(false);
    for (const Ip &server : {server4, server6}) {
        for (const bool connected : {true, false}) {
            EXPECT_EQ(ask(server, dns_query("vpn.example.org", A), SOCK_DGRAM, connected), passes);
            EXPECT_EQ(ask(server, dns_query("VPN.Example.org", AAAA), SOCK_DGRAM, connected), passes);
            EXPECT_EQ(ask(server, dns_query("www.example.org", A), SOCK_DGRAM, connected), stays);
            EXPECT_EQ(ask(server, dns_query("example.org", A), SOCK_DGRAM, connected), stays);
            EXPECT_EQ(ask(server, dns_query("a.vpn.example.org", A), SOCK_DGRAM, connected), stays);
            EXPECT_EQ(ask(server, dns_query("vpn.example.org", TXT), SOCK_DGRAM, connected), stays);
            EXPECT_EQ(ask(server, dns_query("vpn.example.org", A) + "x", SOCK_DGRAM, connected), stays);
        }
        const Bytes query = dns_query("vpn.example.org", A);
        EXPECT_EQ(ask(server, be16(static_cast<std::uint16_t>(query.size())) + query, SOCK_STREAM), stays);
        EXPECT_EQ(ask(server.family == 4 ? other4 : other6, query), stays);
        EXPECT_EQ(ask(server, query, SOCK_DGRAM, true, &nated), passes) << "masqueraded";
        EXPECT_EQ(ask(server, query, SOCK_DGRAM, true, &routed), stays) << "with a source that is not ours";
    }
    EXPECT_EQ(ask(server6, dns_query("big.example.org", A)), stays) << "a name of the other server";
    EXPECT_THAT(asked_of(log_), testing::Not(testing::Contains(HasSubstr("www"))));
    EXPECT_THAT(world_->leakbpf({"status"}).out, HasSubstr("bootstrap-dns"));
}

TEST_F(Bootstrap, NothingWithoutTheOption) {
    make("boot-off");
    std::vector<std::string> args = {"eth0", "--dns", resolver4.str()};
    for (const std::string &word : gateway_args())
        args.push_back(word);
    world_->attach(args);
    EXPECT_EQ(ask(server4, dns_query("vpn.example.org", A)), stays);
    attach();
    EXPECT_EQ(ask(server4, dns_query("vpn.example.org", A)), passes);
    world_->attach(args);
    EXPECT_EQ(ask(server4, dns_query("vpn.example.org", A)), stays);
}

// As soon as a tunnel leads to a resolver nothing leaves in the clear any more; when it is gone, it does
// again.
TEST_F(Bootstrap, OnlyWhileThereIsNoTunnel) {
    make("boot-tun");
    attach();
    const Bytes query = dns_query("vpn.example.org", A);
    EXPECT_EQ(ask(server4, query), passes);
    world_->tunnel_up();
    EXPECT_TRUE(eventually([&] { return !ask(server4, query).left; }));
    for (const Ip &server : {server4, server6})
        for (const bool connected : {true, false})
            EXPECT_FALSE(ask(server, query, SOCK_DGRAM, connected).left);
    world_->tunnel_down();
    EXPECT_TRUE(eventually([&] { return ask(server4, query) == passes; }));
}

// The policy names whom to ask, and anybody may: no VPN user is needed.
TEST_F(Bootstrap, ResolveAsksTheServerOfTheName) {
    make("boot-res");
    attach();
    EXPECT_THAT(world_->leakbpf({"resolve", "vpn.example.org"}).err, HasSubstr("names 2 servers"));
    const Output found = world_->leakbpf({"resolve", "vpn.example.org", "--server", server6.str()});
    EXPECT_EQ(found.status, 0) << found.err;
    EXPECT_EQ(found.out, "198.51.100.7\n2001:db8:100::7\n");
    const Output big = world_->leakbpf({"resolve", "big.example.org", "--timeout", "2"});
    EXPECT_NE(big.status, 0) << "by TCP nothing leaves";
    EXPECT_THAT(big.err, HasSubstr("TCP"));
    const Output other = world_->leakbpf({"resolve", "www.example.org", "--server", server4.str()});
    EXPECT_NE(other.status, 0);
    EXPECT_THAT(other.err, HasSubstr("dns-no-tunnel"));
    EXPECT_THAT(other.err, HasSubstr("--bootstrap-dns 203.0.113.9=www.example.org"));
}

} // namespace
