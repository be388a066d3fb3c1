// SPDX-License-Identifier: MIT
// Queries of a cgroup go to its resolver, whomever they name, and the answers are shown as that one's.
#include <arpa/inet.h>

#include "cgroup_world.h"
#include "harness/name_server.h"

using namespace lk;
using namespace lk::harness;

namespace {

constexpr const char *gateway = "198.51.100.7", *other = "203.0.113.9";
constexpr const char *resolver = "10.7.1.53", *resolver2 = "10.7.1.54", *resolver6 = "fd07::53";

// Who answered and who the peer is: "ADDR ADDR", or the errno's text.
std::string ask(const char *server, int type, bool connected) {
    const SockAddr to(Ip::of(server), 53);
    const Fd socket(::socket(to.get()->sa_family, type | SOCK_CLOEXEC, 0));
    const timeval limit{2, 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    Bytes query = dns_query("vpn.example.org", 1, 7);
    if (type == SOCK_STREAM) query = be16(static_cast<std::uint16_t>(query.size())) + query;
    if (connected && connect(socket.get(), to.get(), to.length) != 0) return strerror(errno);
    const auto sent = connected ? send(socket.get(), query.data(), query.size(), 0)
                                : sendto(socket.get(), query.data(), query.size(), 0, to.get(), to.length);
    if (sent < 0) return strerror(errno);
    char answer[1500];
    SockAddr from, peer;
    from.length = peer.length = sizeof(from.storage);
    if (recvfrom(socket.get(), answer, sizeof(answer), 0, from.get(), &from.length) < 0)
        return strerror(errno);
    if (type == SOCK_STREAM) from = to;
    if (!connected) return from.ip().str();
    if (getpeername(socket.get(), peer.get(), &peer.length) != 0) return strerror(errno);
    return from.ip().str() + " " + peer.ip().str();
}

class CgroupDns : public testing::Test {
  protected:
    CgroupDns() {
        world.far().ip(
            "addr add 10.7.1.53/32 dev lo\naddr add 10.7.1.54/32 dev lo\naddr add fd07::53/128 dev lo");
        world.host().ip("route add fd07::53 via fd07::1 dev eth0\n"
                        "neigh replace 10.7.1.53 lladdr 02:00:00:07:01:01 dev eth0 nud permanent\n"
                        "neigh replace 10.7.1.54 lladdr 02:00:00:07:01:01 dev eth0 nud permanent");
        server =
            start_name_server(world.far(), {Ip::of(resolver), Ip::of(resolver2), Ip::of(resolver6)}, log);
    }
    std::string asks(const Cgroup &cgroup, const char *whom, int type, bool connected) {
        const std::string file = Sandbox::current().dir() + "/said";
        world.inside(cgroup, [&] {
            std::ofstream(file) << ask(whom, type, connected);
            return 0;
        });
        return contents(file);
    }
    CgroupWorld world{"dns"};
    std::string log = Sandbox::current().dir() + "/asked";
    std::unique_ptr<Helper> server;
};

} // namespace

TEST_F(CgroupDns, ToTheResolverShownAsTheServer) {
    const Cgroup cgroup("in");
    ASSERT_EQ(world
                  .guard(cgroup, {"--gw", gateway, "--dns", resolver, "--dns", resolver6, "--lan", resolver,
                                  "--lan", resolver6})
                  .status,
              0);
    Mark asked;
    asked.flow(Ip::of(other), 53);
    asked.flow(Ip::of("2001:db8:9::9"), 53);
    const auto since = world.capture().position();
    for (const char *whom : {other, "2001:db8:9::9", resolver}) {
        const std::string both = std::string(whom) + " " + whom;
        EXPECT_EQ(asks(cgroup, whom, SOCK_DGRAM, true), both);
        EXPECT_EQ(asks(cgroup, whom, SOCK_STREAM, true), both);
        EXPECT_EQ(asks(cgroup, whom, SOCK_DGRAM, false), whom);
    }
    world.capture().settle();
    EXPECT_EQ(world.capture().count(asked, since), 0u);
    const auto status = nlohmann::json::parse(world.leakbpf({"--json", "status", "--cgroups"}).out);
    EXPECT_EQ(status["cgroups"][0]["queries"], 6);
}

TEST_F(CgroupDns, EachToItsOwnAndWithoutOneRefused) {
    const Cgroup a("a"), b("b"), c("c");
    ASSERT_EQ(world.guard(a, {"--gw", gateway, "--dns", resolver, "--lan", resolver}).status, 0);
    ASSERT_EQ(world.guard(b, {"--gw", gateway, "--dns", resolver2, "--lan", resolver2}).status, 0);
    ASSERT_EQ(world.guard(c, {"--gw", gateway, "--lan", "10.7.1.0/24"}).status, 0);
    EXPECT_EQ(asks(a, other, SOCK_DGRAM, false), other);
    EXPECT_EQ(asks(b, other, SOCK_DGRAM, false), other);
    const std::string refused = strerror(CgroupWorld::refused());
    for (const char *whom : {other, resolver, gateway})
        EXPECT_EQ(asks(c, whom, SOCK_DGRAM, false), refused) << whom;
    EXPECT_EQ(asks(a, "2001:db8:9::9", SOCK_DGRAM, false), refused); // a datagram cannot change its family
    // The other's resolver is not one's own, except as whom a query goes to by its own.
    const auto raw_query = [&] {
        const Bytes datagram =
            udp(Ip::of("10.7.1.2"), Ip::of(resolver2), 4000, 53, dns_query("vpn.example.org", 1));
        const Fd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP));
        const SockAddr to(Ip::of(resolver2), 0);
        return sendto(socket.get(), datagram.data(), datagram.size(), 0, to.get(), to.length) < 0 ? errno : 0;
    };
    EXPECT_EQ(world.inside(a, raw_query), EPERM);
    EXPECT_EQ(world.inside(b, raw_query), 0);
}

// Whichever of the two devices is older.
TEST_F(CgroupDns, AnOwnAddressCountsMoreThanATunnel) {
    const Cgroup cgroup("in");
    const Fd tun = make_tun(world.host(), "tun9");
    world.host().ip("link add docker0 type veth peer name box0\nlink set docker0 up\n"
                    "addr add 172.17.0.1/16 dev docker0\naddr add fd17::1/64 dev docker0 nodad");
    const std::string own_log = Sandbox::current().dir() + "/asked-here";
    const auto own = start_name_server(world.host(), {Ip::of("172.17.0.1"), Ip::of("fd17::1")}, own_log);
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--dns", resolver, "--lan", resolver}).status, 0);
    const auto queries = [&] {
        return nlohmann::json::parse(
            world.leakbpf({"--json", "status", "--cgroups"}).out)["cgroups"][0]["queries"];
    };
    EXPECT_EQ(asks(cgroup, other, SOCK_DGRAM, false), other);
    EXPECT_EQ(asked_of(own_log).size(), 0u);
    EXPECT_EQ(queries(), 1);
    EXPECT_EQ(asks(cgroup, "172.17.0.1", SOCK_DGRAM, false), "172.17.0.1");
    EXPECT_EQ(asks(cgroup, "fd17::1", SOCK_STREAM, true), "fd17::1 fd17::1");
    EXPECT_EQ(asked_of(own_log).size(), 2u);
    EXPECT_EQ(queries(), 1);
}

// What was asked by a datagram is not what the socket is connected to.
TEST_F(CgroupDns, ThePeerOfAConnectedSocketThatAsksAnotherToo) {
    const Cgroup cgroup("in");
    ASSERT_EQ(world.guard(cgroup, {"--gw", gateway, "--dns", resolver, "--lan", resolver}).status, 0);
    const auto peer_stays = [] {
        const SockAddr to(Ip::of(gateway), 4000), whom(Ip::of(other), 53);
        const Bytes query = dns_query("vpn.example.org", 1, 7);
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (connect(socket.get(), to.get(), to.length) != 0) return 1;
        if (sendto(socket.get(), query.data(), query.size(), 0, whom.get(), whom.length) < 0) return 2;
        SockAddr peer;
        peer.length = sizeof(peer.storage);
        if (getpeername(socket.get(), peer.get(), &peer.length) != 0) return 3;
        return peer.ip() == to.ip() && peer.port() == 4000 ? 0 : 4;
    };
    EXPECT_EQ(world.inside(cgroup, peer_stays), 0);
}

// Which policies are over an older socket is looked up anew when one changes, and only its packets can tell
// after its process has moved.
TEST_F(CgroupDns, TheFirstQueryAfterAMoveIsRefusedAndTheNextIsItsOwn) {
    const Cgroup a("a"), b("b");
    ASSERT_EQ(world.guard(a, {"--gw", gateway, "--dns", resolver, "--lan", resolver}).status, 0);
    ASSERT_EQ(world.guard(b, {"--gw", gateway, "--dns", resolver2, "--lan", resolver2}).status, 0);
    Mark mine, anothers;
    mine.flow(Ip::of(resolver), 53);
    for (const char *address : {other, resolver2})
        anothers.flow(Ip::of(address), 53);
    const auto since = world.capture().position();
    const auto moves = [&] {
        const SockAddr to(Ip::of(other), 53);
        const Bytes query = dns_query("vpn.example.org", 1, 7);
        const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const timeval limit{2, 0};
        setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        b.enter();
        if (world.guard(b, {"--gw", other, "--dns", resolver2, "--lan", resolver2}).status != 0) return 1;
        if (sendto(socket.get(), query.data(), query.size(), 0, to.get(), to.length) >= 0) return 2;
        if (errno != EPERM) return errno;
        if (sendto(socket.get(), query.data(), query.size(), 0, to.get(), to.length) < 0) return 3;
        char answer[1500];
        SockAddr from;
        from.length = sizeof(from.storage);
        if (recvfrom(socket.get(), answer, sizeof(answer), 0, from.get(), &from.length) < 0) return 4;
        return from.ip() == to.ip() ? 0 : 5;
    };
    EXPECT_EQ(world.inside(a, moves), 0);
    world.capture().settle();
    EXPECT_EQ(world.capture().count(mine, since), 1u);
    EXPECT_EQ(world.capture().count(anothers, since), 0u);
}
