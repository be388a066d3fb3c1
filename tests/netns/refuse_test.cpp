// SPDX-License-Identifier: MIT
// Who is refused is told: a refused TCP connect fails with ECONNREFUSED before it tries again, local and
// forwarded, and a refused datagram of a connected socket is told at the next call. How quick that is
// measures scripts/bench speed.
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/world.h"

using namespace lk;
using namespace lk::harness;

namespace {

constexpr int rounds = 100;

// The error of a connect that has less than a second, after which the SYN is sent again (RFC 6298, section
// 2).
int attempt(const Ip &to, std::uint16_t port, const Ip *source, const char *device = nullptr) {
    Fd fd(socket(to.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval limit{0, 900'000};
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); // connect's time limit too
    if (device)
        setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device, static_cast<socklen_t>(strlen(device)));
    if (source) {
        SockAddr own(*source, 0);
        if (bind(fd.get(), own.get(), own.length) < 0) return errno;
    }
    SockAddr address(to, port);
    return connect(fd.get(), address.get(), address.length) == 0 ? 0 : errno;
}

struct Place {
    const char *name;
    bool forwarded;
    int family;
};

std::string name_of(const testing::TestParamInfo<Place> &info) {
    return info.param.name;
}

// The world of all tests here: the path to the gateway and to the refused host is the same.
World &world() {
    static World world({.name = "refuse"});
    static bool attached = [] {
        std::vector<std::string> args = {"eth0"};
        for (const std::string &word : gateway_args())
            args.push_back(word);
        args.push_back("--no-follow");
        world.attach(args);
        return true;
    }();
    (void)attached;
    return world;
}

Seat seat_of(const Place &place) {
    return place.forwarded ? world().container_seat(true) : world().host_seat();
}
Ip gateway_of(const Place &place) {
    return place.family == 4 ? gateway4 : gateway6;
}
Ip refused_of(const Place &place) {
    return Ip::of(place.family == 4 ? "203.0.113.200" : "2001:db8:f:8888::1");
}

} // namespace

class Refusal : public testing::TestWithParam<Place> {};

TEST_P(Refusal, OfAConnectionIsToldBeforeItTriesAgain) {
    Place place = GetParam();
    Seat seat = seat_of(place);
    Ip source = place.family == 4 ? seat.source4 : seat.source6;
    seat.netns->inside([&] {
        for (int round = 0; round < rounds; round++) {
            ASSERT_EQ(attempt(gateway_of(place), 443, &source), 0) << "round " << round;
            ASSERT_EQ(attempt(refused_of(place), 443, &source), ECONNREFUSED) << "round " << round;
        }
    });
}

TEST_P(Refusal, OfADatagramIsToldAtTheNextCall) {
    Place place = GetParam();
    Seat seat = seat_of(place);
    Ip source = place.family == 4 ? seat.source4 : seat.source6;
    seat.netns->inside([&] {
        Fd fd(socket(place.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        SockAddr own(source, 0), to(refused_of(place), 443);
        ASSERT_EQ(bind(fd.get(), own.get(), own.length), 0);
        ASSERT_EQ(connect(fd.get(), to.get(), to.length), 0);
        ASSERT_EQ(send(fd.get(), "x", 1, 0), 1);
        if (place.forwarded) { // the answer crosses a device first
            pollfd error{fd.get(), 0, 0};
            ASSERT_EQ(poll(&error, 1, 2000), 1) << "the refusal was not told";
        }
        EXPECT_EQ(send(fd.get(), "x", 1, 0), -1);
        EXPECT_EQ(errno, ECONNREFUSED);
    });
}

INSTANTIATE_TEST_SUITE_P(Places, Refusal,
                         testing::Values(Place{"local_v4", false, 4}, Place{"local_v6", false, 6},
                                         Place{"forwarded_v4", true, 4}, Place{"forwarded_v6", true, 6}),
                         name_of);

// No connection hangs with reverse path filters 0 and 2, wherever the routes point; with 1 one pinned to the
// uplink may (policy.md).
TEST(RefusalWithReversePathFilter, NothingHangsButTheDocumentedCase) {
    World with_tunnel({.name = "rpf", .tunnel = true, .container = false});
    std::vector<std::string> args = {"eth0"};
    for (const std::string &word : gateway_args())
        args.push_back(word);
    with_tunnel.attach(args);
    for (const char *filter : {"0", "1", "2"}) {
        for (const char *device : {"all", "eth0", "default"})
            with_tunnel.host().sysctl(fmt::format("ipv4/conf/{}/rp_filter", device), filter);
        for (int family : {4, 6}) {
            // By the routes: a destination that they lead to the uplink.
            Ip steered = Ip::of(family == 4 ? "203.0.113.200" : "2001:db8:f:8888::1");
            // Pinned: the routes lead into the tunnel.
            Ip tunneled = Ip::of(family == 4 ? "203.0.113.20" : "2001:db8:f:20::1");
            with_tunnel.host().inside([&] {
                EXPECT_EQ(attempt(steered, 443, nullptr), ECONNREFUSED)
                    << "rp_filter " << filter << ", IPv" << family;
                int pinned = attempt(tunneled, 443, nullptr, "eth0");
                if (std::string(filter) == "1" && family == 4) {
                    fmt::print("rp_filter 1, pinned to the uplink: {}\n", strerror(pinned));
                    EXPECT_NE(pinned, 0);
                } else {
                    EXPECT_EQ(pinned, ECONNREFUSED) << "pinned, rp_filter " << filter << ", IPv" << family;
                }
            });
        }
    }
}
