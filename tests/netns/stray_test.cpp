// SPDX-License-Identifier: MIT
// bpf/stray.h: a packet socket tells the device where to put a checksum, and so what leaves is not what was
// judged. The device here leaves the writing to the kernel, as many a card does, so that it can be seen.
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <cstring>

#include <gtest/gtest.h>

#include "harness/bytes.h"
#include "harness/capture.h"
#include "harness/netns.h"
#include "harness/process.h"

using namespace lk::harness;

namespace {

// linux/virtio_net.h is no C++.
struct VirtioHeader {
    std::uint8_t flags = 1; // VIRTIO_NET_HDR_F_NEEDS_CSUM
    std::uint8_t gso_type = 0;
    std::uint16_t header_bytes = 0, gso_bytes = 0, checksum_start, checksum_offset;
};
static_assert(sizeof(VirtioHeader) == 10);

constexpr std::uint16_t port = 4000;
const Ip own4 = Ip::of("10.7.1.2"), own6 = Ip::of("2001:db8:7::2");
const Ip gateway4 = Ip::of("198.51.100.7"), gateway6 = Ip::of("2001:db8:100::7");
const Bytes next_mac("\x02\0\0\x07\x01\x01", 6), mac("\x02\0\0\x07\x01\x02", 6);

struct Family {
    Ip own, gateway;
    std::uint16_t type;
    std::size_t destination, upper; // places in the frame
};
const Family families[] = {{own4, gateway4, 0x0800, 30, 34}, {own6, gateway6, 0x86dd, 38, 54}};

Ip elsewhere(const Ip &gateway) {
    Ip other = gateway;
    other.byte[0] = 0xcb;
    other.byte[1] = 0;
    return other;
}

Bytes datagram(const Family &family, const Ip &to) {
    const Bytes upper = udp(family.own, to, port, port, "stray" + filler(59));
    return ethernet(next_mac, mac, family.type, ip(family.own, to, IPPROTO_UDP, upper));
}

// FRAME, but at PLACE stands SHOWN; its last two bytes make the checksum from PLACE on what stood there.
Bytes disguised(Bytes frame, std::size_t place, const Bytes &shown) {
    const unsigned want =
        static_cast<std::uint8_t>(frame[place]) << 8 | static_cast<std::uint8_t>(frame[place + 1]);
    frame.replace(place, 2, shown);
    frame.replace(frame.size() - 2, 2, 2, '\0');
    const unsigned balance = (~want & 0xffff) + checksum(frame.substr(place));
    return frame.replace(frame.size() - 2, 2, be16(static_cast<std::uint16_t>(balance + (balance >> 16))));
}

class Stray : public testing::Test {
  protected:
    Netns far_{"lk-stray-far"}, host_{"lk-stray-host"};
    Capture capture_{far_};

    ~Stray() override { leakbpf(host_.fd(), {"detach", "--all"}); }

    Stray() {
        host_.ip("link add eth0 address 02:00:00:07:01:02 type veth peer name far0 address 02:00:00:07:01:01 "
                 "netns lk-stray-far\n"
                 "link set eth0 up\naddr add 10.7.1.2/24 dev eth0\naddr add 2001:db8:7::2/64 dev eth0 nodad");
        far_.ip("link set far0 up");
        host_.inside([] {
            const lk::Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
            ethtool_value off{ETHTOOL_STXCSUM, 0};
            ifreq request{};
            strcpy(request.ifr_name, "eth0");
            request.ifr_data = reinterpret_cast<char *>(&off);
            ASSERT_EQ(ioctl(fd.get(), SIOCETHTOOL, &request), 0) << strerror(errno);
        });
    }

    void guard() {
        const Output output = leakbpf(
            host_.fd(), {"attach", "eth0", "--gw", "198.51.100.7", "--gw", "2001:db8:100::7", "--no-follow"});
        ASSERT_EQ(output.status, 0) << output.err;
    }

    // FRAME with a checksum to be written at START + OFFSET, of all from START on.
    void send_unfinished(const Bytes &frame, std::size_t start, std::size_t offset) {
        host_.inside([&] {
            const lk::Fd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
            int on = 1;
            ASSERT_EQ(setsockopt(fd.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0)
                << strerror(errno);
            VirtioHeader header;
            header.checksum_start = static_cast<std::uint16_t>(start);
            header.checksum_offset = static_cast<std::uint16_t>(offset);
            sockaddr_ll to{};
            to.sll_family = AF_PACKET;
            to.sll_protocol = htons(0x0800);
            to.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
            const Bytes data = Bytes(reinterpret_cast<const char *>(&header), sizeof(header)) + frame;
            // A packet that is dropped on its way is told to a packet socket as an error.
            sendto(fd.get(), data.data(), data.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to));
        });
    }

    bool arrives(const Ip &to, std::uint16_t at_port, const std::function<void()> &send) {
        Mark mark;
        mark.flow(to, at_port);
        const std::size_t since = capture_.position();
        send();
        capture_.settle();
        return capture_.count(mark, since) > 0;
    }

    // The same packets without and with the filter: the first must be seen.
    void is_stopped(const std::function<void(const Family &, const Ip &)> &send) {
        for (const bool guarded : {false, true}) {
            if (guarded) guard();
            for (const Family &family : families) {
                const Ip to = elsewhere(family.gateway);
                EXPECT_EQ(arrives(to, port, [&] { send(family, to); }), !guarded) << to.str();
            }
        }
    }
};

} // namespace

TEST_F(Stray, ChecksumOverTheDestination) {
    is_stopped([this](const Family &family, const Ip &to) {
        send_unfinished(
            disguised(datagram(family, to), family.destination, family.gateway.bytes().substr(0, 2)),
            family.destination, 0);
    });
}

TEST_F(Stray, ChecksumOverThePort) {
    guard();
    for (const Family &family : families) {
        const Bytes frame = disguised(datagram(family, family.gateway), family.upper + 2, be16(9));
        EXPECT_FALSE(arrives(family.gateway, port, [&] { send_unfinished(frame, family.upper + 2, 0); }));
    }
}

TEST_F(Stray, ChecksumInItsOwnPlacePasses) {
    guard();
    for (const Family &family : families) {
        const Bytes frame = datagram(family, family.gateway);
        EXPECT_TRUE(arrives(family.gateway, port, [&] { send_unfinished(frame, family.upper, 6); }));
        const Bytes segment = ethernet(
            next_mac, mac, family.type,
            ip(family.own, family.gateway, IPPROTO_TCP, tcp(family.own, family.gateway, port, port, SYN)));
        EXPECT_TRUE(arrives(family.gateway, port, [&] { send_unfinished(segment, family.upper, 16); }));
    }
}
