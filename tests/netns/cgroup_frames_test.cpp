// SPDX-License-Identifier: MIT
// Frames of a container, judged at the host's end of its link: sources, whom it asks for, fragments, the VPN
// user, who shares the link, and what becomes of the hook. What else may be fired is the matter of
// cgroup_oci.
#include <bpf/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cgroup_world.h"
#include "harness/world.h"
#include "kernel/tcx.h"

using namespace lk;
using namespace lk::harness;

namespace {

[[maybe_unused]] const auto *const kept = testing::AddGlobalTestEnvironment(new ProgramsKept);

const Ip gateway = Ip::of("198.51.100.7"), gateway_v6 = Ip::of("2001:db8:100::7");
const Ip other = Ip::of("203.0.113.200"), other_v6 = Ip::of("2001:db8:f:8000::9");
const Ip own = Ip::of("10.9.0.2"), own_v6 = Ip::of("2001:db8:9::2"), foreign = Ip::of("10.9.0.99");
constexpr uid_t vpn_user = 10105;

// A container behind a bridge, and a process in it that stays in CGROUP.
class Frames : public testing::Test {
  protected:
    World world{{.name = "frames", .container = false, .relayed = true}};
    Cgroup cgroup{"in-frames"};
    std::unique_ptr<Helper> resident = stays_in(cgroup);

    std::unique_ptr<Helper> stays_in(const Cgroup &where) {
        return std::make_unique<Helper>(Identity{.netns = world.host().fd()},
                                        [&](const std::function<void()> &ready) {
                                            where.enter();
                                            ready();
                                            for (;;)
                                                pause();
                                        });
    }
    void TearDown() override {
        for (const char *each : {"in-frames", "beside-frames"})
            leakbpf({"detach", "--cgroup", each});
        resident.reset();
    }

    Output leakbpf(const std::vector<std::string> &words) const {
        return harness::leakbpf(world.relay().fd(), words);
    }
    Output guard(std::vector<std::string> policy, const std::string &name = "in-frames") const {
        policy.insert(policy.begin(), {"attach", "--cgroup", name});
        return leakbpf(policy);
    }

    // BODY as UID in the container and WHERE; what came out on the far side of what has PORT or TOKEN in it.
    std::size_t seen(const std::function<void(std::uint16_t port, const Bytes &token)> &body,
                     const Cgroup *where = nullptr, uid_t uid = 0) {
        const std::uint16_t port = next_++;
        const Bytes token = fmt::format("lk-frames-{:06}", port);
        Mark mark;
        mark.bytes(token);
        const auto since = world.capture().position();
        EXPECT_EQ(as({.netns = world.host().fd()},
                     [&] {
                         (where ? *where : cgroup).enter();
                         if (uid) become(uid, false);
                         body(port, token);
                     }),
                  "");
        world.capture().settle();
        return world.capture().count(mark, since);
    }
    // A datagram by a packet socket.
    std::size_t frame(const Ip &src, const Ip &dst, const Cgroup *where = nullptr,
                      const std::string &device = "eth0") {
        return seen(
            [&](std::uint16_t port, const Bytes &token) {
                const Bytes packet = harness::ip(src, dst, IPPROTO_UDP, udp(src, dst, 4000, port, token));
                inject(device,
                       {ethernet(seat.next_mac, seat.mac, src.family == 4 ? 0x0800 : 0x86dd, packet)});
            },
            where);
    }
    static void nothing_is_left() {
        for (const std::string &pin : pins())
            for (const char *kind : {"/frame", "/inside-", "/own-"})
                EXPECT_EQ(pin.find(kind), std::string::npos) << pin;
    }
    // Somebody takes the only program off a device's chain.
    static void take_off(const Netns &netns, const char *device, std::uint32_t direction) {
        netns.inside([&] {
            const auto chain = tcx::chain(static_cast<int>(if_nametoindex(device)), direction);
            ASSERT_TRUE(chain && chain->size() == 1) << device;
            const Fd link(bpf_link_get_fd_by_id(chain->front().link_id));
            ASSERT_EQ(bpf_link_detach(link.get()), 0);
        });
    }
    // One of the kernel's own making.
    std::size_t datagram(const Ip &dst, std::size_t length = 0, const Cgroup *where = nullptr,
                         uid_t uid = 0) {
        return seen(
            [&](std::uint16_t port, const Bytes &token) {
                Bytes payload = token + filler(length);
                if (length) payload += token;
                const SockAddr to(dst, port);
                const Fd socket(::socket(to.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
                (void)sendto(socket.get(), payload.data(), payload.size(), 0, to.get(), to.length);
            },
            where, uid);
    }
    // ARP for TARGET: seen or not.
    bool asks(const Ip &from, const Ip &target) {
        const Bytes request =
            Bytes("\0\1\x08\0\6\4\0\1", 8) + seat.mac + from.bytes() + Bytes(6, 0) + target.bytes();
        Mark mark;
        mark.bytes(request);
        const auto since = world.capture().position();
        EXPECT_EQ(as({.netns = world.host().fd()},
                     [&] { inject("eth0", {ethernet(Bytes(6, '\xff'), seat.mac, 0x0806, request)}); }),
                  "");
        world.capture().settle();
        return world.capture().count(mark, since) > 0;
    }
    const Seat seat = world.host_seat();

  private:
    std::uint16_t next_ = 31000;
};

} // namespace

TEST_F(Frames, TheSourceIsTheContainersOwn) {
    EXPECT_EQ(frame(own, other), 1u);
    EXPECT_EQ(frame(foreign, gateway), 1u);
    ASSERT_EQ(guard({"--gw", gateway.str(), "--gw", gateway_v6.str()}).status, 0);
    EXPECT_EQ(frame(own, other), 0u);
    EXPECT_EQ(frame(own_v6, other_v6), 0u);
    EXPECT_EQ(frame(own, gateway), 1u);
    EXPECT_EQ(frame(own_v6, gateway_v6), 1u);
    EXPECT_EQ(frame(foreign, gateway), 0u);
    EXPECT_EQ(frame(Ip::of("2001:db8:9::99"), gateway_v6), 0u);
    world.host().ip("addr add 10.9.0.99/24 dev eth0");
    EXPECT_EQ(frame(foreign, gateway), 1u);
    // An address elsewhere in the container is none of its link; one on top of it is.
    world.host().ip("addr del 10.9.0.99/24 dev eth0\naddr add 10.9.0.99/32 dev lo");
    EXPECT_EQ(frame(foreign, gateway), 0u);
    world.host().ip("addr del 10.9.0.99/32 dev lo\n"
                    "link add mv0 link eth0 type macvlan mode bridge\nlink set mv0 up\n"
                    "addr add 10.9.0.99/32 dev mv0");
    EXPECT_EQ(frame(foreign, gateway), 1u);
}

TEST_F(Frames, ItAsksForItsLinkAlone) {
    EXPECT_TRUE(asks(own, other));
    ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    EXPECT_FALSE(asks(own, other));
    EXPECT_FALSE(asks(foreign, Ip::of("10.9.0.1")));
    EXPECT_TRUE(asks(own, Ip::of("10.9.0.1")));
    EXPECT_TRUE(asks(Ip::of("0.0.0.0"), own));
    EXPECT_TRUE(asks(own, gateway));
    EXPECT_TRUE(asks(own, Ip::of("198.51.100.200")));    // in the network of a public address of its own
    world.host().ip("addr add 203.0.113.77/8 dev eth0"); // wider than networks are
    EXPECT_FALSE(asks(own, other));
}

// Neighbour discovery is no letter to the world: the host might route it on, and the container gives itself
// any network.
TEST_F(Frames, NeighbourDiscoveryStaysOnTheLink) {
    const auto advertises = [&](const Ip &dst) {
        return seen([&](std::uint16_t, const Bytes &token) {
            const Bytes rest = own_v6.bytes() + "\2\4" + token.substr(0, 16) + filler(14);
            const Bytes packet = harness::ip(own_v6, dst, IPPROTO_ICMPV6,
                                             harness::icmp(own_v6, dst, 136, 0, 0, rest), {.hops = 255});
            inject("eth0", {ethernet(seat.next_mac, seat.mac, 0x86dd, packet)});
        });
    };
    world.host().ip("addr add 2001:db8:f:8000::1/64 dev eth0 nodad");
    EXPECT_EQ(advertises(other_v6), 1u);
    ASSERT_EQ(guard({"--gw", gateway_v6.str()}).status, 0);
    EXPECT_EQ(advertises(other_v6), 0u);
    EXPECT_EQ(advertises(Ip::of("fd00:1::7")), 0u);
    EXPECT_EQ(advertises(gateway_v6), 1u);
    EXPECT_EQ(advertises(Ip::of("fe80::1")), 1u);
    world.relay().ip("addr add 2001:db8:f:8000::2/64 dev br0 nodad"); // the host's own word
    EXPECT_EQ(advertises(other_v6), 1u);
}

TEST_F(Frames, FragmentsFollowTheirFirst) {
    ASSERT_EQ(guard({"--gw", gateway.str(), "--gw", gateway_v6.str()}).status, 0);
    EXPECT_EQ(datagram(gateway, 3000), 2u); // the token stands in the first and in the last
    EXPECT_EQ(datagram(gateway_v6, 3000), 2u);
    const auto tail = [&](const Ip &dst) {
        return seen([&](std::uint16_t port, const Bytes &token) {
            const Bytes packet = harness::ip(own, dst, IPPROTO_UDP, token, {.id = port, .fragment = 10});
            inject("eth0", {ethernet(seat.next_mac, seat.mac, 0x0800, packet)});
        });
    };
    EXPECT_EQ(tail(gateway), 0u);
    EXPECT_EQ(tail(other), 0u);
}

TEST_F(Frames, TheVpnUserIsKnownByItsSocket) {
    ASSERT_EQ(guard({"--lockdown", "--vpn-user", std::to_string(vpn_user)}).status, 0);
    EXPECT_EQ(datagram(other, 0, nullptr, vpn_user), 1u);
    EXPECT_EQ(datagram(other_v6, 3000, nullptr, vpn_user), 2u);
    EXPECT_EQ(datagram(other), 0u);
    EXPECT_EQ(frame(own, other), 0u);
}

// Each is under its own policies all the same; what is of no socket passes where one of them allows it.
TEST_F(Frames, ThoseWhoShareALinkKeepTheirOwn) {
    const Cgroup beside("beside-frames");
    auto second = stays_in(beside);
    ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    EXPECT_EQ(frame(own, other), 0u);
    EXPECT_EQ(frame(own, other, &beside), 1u);
    EXPECT_EQ(datagram(other, 0, &beside), 1u);
    const Output output = guard({"--gw", other.str()}, "beside-frames");
    ASSERT_EQ(output.status, 0) << output.err;
    EXPECT_EQ(frame(own, other), 0u);
    EXPECT_EQ(frame(own, gateway), 1u);
    EXPECT_EQ(frame(own, other, &beside), 1u);
    EXPECT_EQ(frame(own, gateway, &beside), 0u);
    ASSERT_EQ(leakbpf({"detach", "--cgroup", "beside-frames"}).status, 0);
    EXPECT_EQ(frame(own, other), 0u);
    EXPECT_EQ(frame(own, gateway, &beside), 1u);
    second.reset();
}

TEST_F(Frames, PoliciesAroundItHoldToo) {
    const Cgroup inner("in-frames/box");
    resident = stays_in(inner);
    ASSERT_EQ(guard({"--gw", gateway.str(), "--gw", other.str()}, "in-frames/box").status, 0);
    EXPECT_EQ(frame(own, other, &inner), 1u);
    ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    EXPECT_EQ(frame(own, other, &inner), 0u);
    EXPECT_EQ(frame(own, gateway, &inner), 1u);
    ASSERT_EQ(leakbpf({"detach", "--cgroup", "in-frames/box"}).status, 0);
    resident.reset();
}

TEST_F(Frames, TheHookGoesWithThePolicyAndIsMissedBefore) {
    ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    EXPECT_EQ(frame(own, other), 0u);
    if (tcx::available()) {
        take_off(world.relay(), "c0", tcx::ingress);
        EXPECT_NE(leakbpf({"status", "--cgroups"}).out.find("c0"), std::string::npos);
        ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    }
    EXPECT_EQ(leakbpf({"status", "--cgroups"}).out.find("c0"), std::string::npos);
    EXPECT_EQ(frame(own, other), 0u);
    ASSERT_EQ(leakbpf({"detach", "--cgroup", "in-frames"}).status, 0);
    EXPECT_EQ(frame(own, other), 1u);
    nothing_is_left();
}

TEST_F(Frames, ALinkThatCameLaterIsMissed) {
    ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    EXPECT_EQ(leakbpf({"status", "--cgroups"}).out.find("late0"), std::string::npos);
    world.relay().ip("link add late0 type veth peer name late1\nlink set late1 netns " + world.host().name());
    EXPECT_NE(leakbpf({"status", "--cgroups"}).out.find("late0"), std::string::npos);
    ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    EXPECT_EQ(leakbpf({"status", "--cgroups"}).out.find("late0"), std::string::npos);
}

TEST_F(Frames, EitherEndIsEnough) {
    if (!tcx::available()) GTEST_SKIP() << "no tcx (6.6)";
    const std::vector<std::string> policy{"--gw",           gateway.str(), "--gw",
                                          gateway_v6.str(), "--vpn-user",  std::to_string(vpn_user)};
    const auto holds = [&](const char *which) {
        SCOPED_TRACE(which);
        EXPECT_EQ(frame(own, other), 0u);
        EXPECT_EQ(frame(own_v6, other_v6), 0u);
        EXPECT_EQ(frame(foreign, gateway), 0u);
        EXPECT_FALSE(asks(own, other));
        EXPECT_EQ(frame(own, gateway), 1u);
        EXPECT_EQ(frame(own_v6, gateway_v6), 1u);
        EXPECT_TRUE(asks(own, gateway));
        EXPECT_EQ(datagram(gateway, 3000), 2u);
        EXPECT_EQ(datagram(other, 3000, nullptr, vpn_user), 2u);
    };
    ASSERT_EQ(guard(policy).status, 0);
    holds("both");
    take_off(world.host(), "eth0", tcx::egress);
    EXPECT_NE(leakbpf({"status", "--cgroups"}).out.find("second program"), std::string::npos);
    holds("the host's");
    ASSERT_EQ(guard(policy).status, 0);
    EXPECT_EQ(leakbpf({"status", "--cgroups"}).out.find("second program"), std::string::npos);
    take_off(world.relay(), "c0", tcx::ingress);
    holds("the container's");
    take_off(world.host(), "eth0", tcx::egress);
    EXPECT_EQ(frame(own, other), 1u);
    ASSERT_EQ(guard(policy).status, 0);
    holds("both again");
}

// A macvlan on a device of the host leads past the host's end of any other link.
TEST_F(Frames, ADeviceWithoutAnotherEndIsJudgedAtItsOwn) {
    if (!tcx::available()) GTEST_SKIP() << "no tcx (6.6)";
    world.relay().ip("link add mv9 link br0 type macvlan mode bridge\nlink set mv9 netns " +
                     world.host().name());
    world.host().ip("addr add 10.9.0.3/24 dev mv9\nlink set mv9 up");
    const Ip there = Ip::of("10.9.0.3");
    EXPECT_EQ(frame(there, other, nullptr, "mv9"), 1u);
    const Output output = guard({"--gw", gateway.str()});
    ASSERT_EQ(output.status, 0) << output.err;
    EXPECT_NE(output.out.find("mv9 (macvlan) are judged there alone"), std::string::npos)
        << output.out << output.err;
    EXPECT_EQ(frame(there, other, nullptr, "mv9"), 0u);
    EXPECT_EQ(frame(foreign, gateway, nullptr, "mv9"), 0u);
    EXPECT_EQ(frame(there, gateway, nullptr, "mv9"), 1u);
    ASSERT_EQ(guard({"--gw", other.str()}).status, 0);
    EXPECT_EQ(frame(there, other, nullptr, "mv9"), 1u);
    EXPECT_EQ(frame(there, gateway, nullptr, "mv9"), 0u);
    ASSERT_EQ(leakbpf({"detach", "--cgroup", "in-frames"}).status, 0);
    EXPECT_EQ(frame(there, gateway, nullptr, "mv9"), 1u);
    nothing_is_left();
}

// Forged lengths, which a bridge without netfilter passes on.
TEST_F(Frames, AFrameThatIsCutShortStays) {
    ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    EXPECT_EQ(seen([&](std::uint16_t port, const Bytes &token) {
                  const Bytes packet =
                      harness::ip(own, gateway, IPPROTO_UDP, udp(own, gateway, 4000, port, token + token));
                  inject("eth0", {ethernet(seat.next_mac, seat.mac, 0x0800,
                                           packet.substr(0, packet.size() - token.size()))});
              }),
              0u);
}
