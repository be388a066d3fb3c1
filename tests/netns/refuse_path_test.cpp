// SPDX-License-Identifier: MIT
// The ways back: routed, translated, bridged, macvlan, L3 device, VLAN, rp_filter, fwmarks.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <linux/ethtool.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "harness/process.h"
#include "refuse_world.h"

using lk::Fd;
using namespace lk::harness;

namespace {

struct RefusePath : testing::Test {
    RefuseWorld &world = RefuseWorld::get();
    void SetUp() override {
        world.state()->refusing = 1;
        world.leaked();
    }
    void TearDown() override { EXPECT_EQ(world.leaked(), 0u); }

    void expect_refused(const Netns &from, const char *v4, const char *v6) {
        for (const char *address : {v4, v6}) {
            EXPECT_EQ(connect_from(from, address, 443).error, ECONNREFUSED) << from.name() << " " << address;
            EXPECT_EQ(udp_error(from, address, "hello"), ECONNREFUSED) << from.name() << " " << address;
        }
    }
};

void checksum_offload(const Netns &netns, const std::string &device, bool on) {
    Fd fd = socket_in(netns, AF_INET, SOCK_DGRAM);
    ethtool_value value{ETHTOOL_STXCSUM, on};
    ifreq request{};
    strncpy(request.ifr_name, device.c_str(), IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char *>(&value);
    ASSERT_EQ(ioctl(fd.get(), SIOCETHTOOL, &request), 0) << strerror(errno);
}

} // namespace

TEST_F(RefusePath, Routed) {
    expect_refused(world.box, "203.0.113.7", "2001:db8:f::7");
}

TEST_F(RefusePath, RoutedWithFinishedChecksums) {
    checksum_offload(world.box, "eth0", false);
    for (const char *address : {"203.0.113.7", "2001:db8:f::7"}) {
        Sniffer sniffer(world.box, "eth0");
        EXPECT_EQ(connect_from(world.box, address, 443).error, ECONNREFUSED);
        Sniffer::Frame frame = sniffer.next(IPPROTO_TCP);
        EXPECT_FALSE(frame.unfinished);
        EXPECT_TRUE(parse(frame.bytes.substr(14)).sum_right) << address;
        EXPECT_EQ(udp_error(world.box, address, "hello"), ECONNREFUSED);
    }
    checksum_offload(world.box, "eth0", true);
}

// The way back finishes the checksum in software: the reset must be one that stays right.
TEST_F(RefusePath, RoutedBackOverADeviceWithoutOffload) {
    checksum_offload(world.host, "in0", false);
    for (const char *address : {"203.0.113.7", "2001:db8:f::7"}) {
        Sniffer sniffer(world.box, "eth0");
        EXPECT_EQ(connect_from(world.box, address, 443).error, ECONNREFUSED);
        Sniffer::Frame frame = sniffer.next(IPPROTO_TCP);
        EXPECT_FALSE(frame.unfinished);
        EXPECT_TRUE(parse(frame.bytes.substr(14)).sum_right) << address;
    }
    checksum_offload(world.host, "in0", true);
}

TEST_F(RefusePath, Translated) {
    world.masquerade(true);
    Sniffer sniffer(world.host, "eth0");
    expect_refused(world.box, "203.0.113.7", "2001:db8:f::7");
    EXPECT_EQ(parse(sniffer.next(IPPROTO_TCP).bytes.substr(14)).dst, Ip::of("198.51.100.2"));
    world.masquerade(false);
}

TEST_F(RefusePath, Bridged) {
    expect_refused(world.pod, "203.0.113.7", "2001:db8:f::7");
}

TEST_F(RefusePath, Macvlan) {
    expect_refused(world.mac, "203.0.113.7", "2001:db8:f::7");
}

TEST_F(RefusePath, Layer3Device) {
    expect_refused(world.host, "203.0.113.200", "2001:db8:f:1::7");
    expect_refused(world.box, "203.0.113.200", "2001:db8:f:1::7");
}

TEST_F(RefusePath, Layer3DeviceChecksums) {
    Sniffer sniffer(world.host, "tun0");
    for (const char *address : {"203.0.113.200", "2001:db8:f:1::7"}) {
        connect_from(world.host, address, 443);
        EXPECT_TRUE(parse(sniffer.next(IPPROTO_TCP).bytes).sum_right) << address;
        udp_error(world.host, address, filler(99));
        EXPECT_TRUE(parse(sniffer.next(address[4] == ':' ? 58 : 1).bytes).sum_right) << address;
    }
}

// A tag in the metadata (a VLAN device's packet) is on the answer as well, so that it goes back to that
// device.
TEST_F(RefusePath, HardwareVlanTagIsKept) {
    world.state()->vlan_id = 5;
    Sniffer sniffer(world.host, "eth0");
    connect_from(world.host, "203.0.113.7", 443);
    Sniffer::Frame reset = sniffer.next(IPPROTO_TCP);
    udp_error(world.host, "203.0.113.7", "x", 50);
    Sniffer::Frame unreachable = sniffer.next(IPPROTO_ICMP);
    world.state()->vlan_id = 0;
    EXPECT_EQ(reset.vlan, 5u);
    EXPECT_TRUE(parse(reset.bytes.substr(14)).sum_right);
    EXPECT_EQ(unreachable.vlan, 5u);
    EXPECT_TRUE(parse(unreachable.bytes.substr(14)).sum_right);
}

TEST_F(RefusePath, VlanTagInTheFrame) {
    Ip src = Ip::of("198.51.100.2"), dst = Ip::of("203.0.113.7");
    Fd fd = socket_in(world.host, AF_PACKET, SOCK_RAW);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = world.host.ifindex("eth0");
    to.sll_protocol = htons(ETH_P_8021Q);
    auto send_tagged = [&](const Bytes &packet) {
        Bytes frame = ethernet(world.isp.mac("far0"), world.host.mac("eth0"), ETH_P_8021Q,
                               be16(7) + be16(ETH_P_IP) + packet);
        if (sendto(fd.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to)) <
            0) {
            ASSERT_EQ(errno, ENOBUFS); // a packet socket is told of the drop
        }
    };
    Sniffer sniffer(world.host, "eth0");
    send_tagged(ip(src, dst, IPPROTO_UDP, udp(src, dst, 5555, 4433, "x"))); // silence
    send_tagged(ip(src, dst, IPPROTO_TCP, tcp(src, dst, 5555, 443, SYN)));
    Sniffer::Frame frame = sniffer.next(IPPROTO_TCP);
    ASSERT_FALSE(frame.bytes.empty());
    EXPECT_EQ(frame.vlan, 7u);
    EXPECT_TRUE(parse(frame.bytes.substr(14)).sum_right);
    EXPECT_TRUE(sniffer.next(IPPROTO_ICMP, 100).bytes.empty());
}

TEST_F(RefusePath, EveryRpFilterWhileTheRouteIsTheUplinks) {
    for (const char *mode : {"0", "1", "2"}) {
        world.host.sysctl("ipv4/conf/all/rp_filter", mode);
        expect_refused(world.host, "203.0.113.7", "2001:db8:f::7");
        expect_refused(world.box, "203.0.113.7", "2001:db8:f::7");
    }
    world.host.sysctl("ipv4/conf/all/rp_filter", "0");
}

// A socket pinned to the uplink while the route leads into the tunnel: with rp_filter 1 the kernel takes the
// answer for a forged one, in IPv4, and connect() hangs as it does where packets are dropped. See
// docs/policy.md.
TEST_F(RefusePath, PinnedSocketAgainstTheRoute) {
    world.host.ip(
        "route add 203.0.113.64/26 dev tun0\nroute add 203.0.113.64/26 via 198.51.100.1 metric 500");
    for (const char *mode : {"0", "2", "1"}) {
        world.host.sysctl("ipv4/conf/all/rp_filter", mode);
        Fd fd = socket_in(world.host, AF_INET, SOCK_STREAM);
        ASSERT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), 0);
        EXPECT_EQ(connect_with(fd, Ip::of("203.0.113.77"), 443).error,
                  *mode == '1' ? ETIMEDOUT : ECONNREFUSED)
            << "rp_filter " << mode;
    }
    world.host.sysctl("ipv4/conf/all/rp_filter", "0");
    world.host.ip(
        "route del 203.0.113.64/26 dev tun0\nroute del 203.0.113.64/26 via 198.51.100.1 metric 500");
}

// The sender's mark chooses a route that leads out again; the answer has none.
TEST_F(RefusePath, AMarkDoesNotMisleadTheAnswer) {
    auto rules = [&](const char *verb) {
        for (const char *family : {"-4", "-6"})
            ASSERT_EQ(
                run({"ip", family, "rule", verb, "fwmark", "9", "lookup", "99"}, {.netns = world.host.fd()})
                    .status,
                0);
    };
    rules("add");
    world.host.ip(
        "route add default via 198.51.100.1 table 99\nroute add default via 2001:db8:1::1 table 99");
    Output nft = run({"nft", "-f", "-"},
                     {.netns = world.host.fd(),
                      .input = "table inet marks { chain pre { type filter hook prerouting priority mangle;\n"
                               "iifname \"in0\" meta mark set 9\n}\n}\n"});
    ASSERT_EQ(nft.status, 0) << nft.err;
    expect_refused(world.box, "203.0.113.7", "2001:db8:f::7");
    run({"nft", "delete", "table", "inet", "marks"}, {.netns = world.host.fd()});
    rules("del");
}
