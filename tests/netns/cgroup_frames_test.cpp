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
    std::size_t frame(const Ip &src, const Ip &dst, const Cgroup *where = nullptr) {
        return seen(
            [&](std::uint16_t port, const Bytes &token) {
                const Bytes packet = harness::ip(src, dst, IPPROTO_UDP, udp(src, dst, 4000, port, token));
                inject("eth0",
                       {ethernet(seat.next_mac, seat.mac, src.family == 4 ? 0x0800 : 0x86dd, packet)});
            },
            where);
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
        world.relay().inside([&] {
            const auto chain = tcx::chain(static_cast<int>(if_nametoindex("c0")), tcx::ingress);
            ASSERT_TRUE(chain && chain->size() == 1);
            const Fd link(bpf_link_get_fd_by_id(chain->front().link_id));
            ASSERT_EQ(bpf_link_detach(link.get()), 0);
        });
        EXPECT_NE(leakbpf({"status", "--cgroups"}).out.find("c0"), std::string::npos);
        ASSERT_EQ(guard({"--gw", gateway.str()}).status, 0);
    }
    EXPECT_EQ(leakbpf({"status", "--cgroups"}).out.find("c0"), std::string::npos);
    EXPECT_EQ(frame(own, other), 0u);
    ASSERT_EQ(leakbpf({"detach", "--cgroup", "in-frames"}).status, 0);
    EXPECT_EQ(frame(own, other), 1u);
    for (const std::string &pin : pins())
        EXPECT_EQ(pin.find("/frame"), std::string::npos) << pin;
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
