// SPDX-License-Identifier: MIT
// Port unreachables: who gets one, that the kernel takes it, and what it quotes (RFC 1122 3.2.2, RFC 4443).
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>

#include <cerrno>

#include <gtest/gtest.h>

#include "harness/message.h"
#include "harness/process.h"
#include "refuse_world.h"

using lk::Fd;
using namespace lk::harness;

namespace {

struct RefuseUdp : testing::Test {
    RefuseWorld &world = RefuseWorld::get();
    void SetUp() override {
        world.state()->refusing = 1;
        world.leaked();
    }
    void TearDown() override { EXPECT_EQ(world.leaked(), 0u); }

    // A frame by AF_PACKET from the host's eth0, as it is.
    void send_frame(const Bytes &frame) {
        Fd fd = socket_in(world.host, AF_PACKET, SOCK_RAW);
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = world.host.ifindex("eth0");
        to.sll_protocol =
            htons(static_cast<unsigned char>(frame[12]) * 256 + static_cast<unsigned char>(frame[13]));
        if (sendto(fd.get(), frame.data(), frame.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to)) <
            0) {
            ASSERT_EQ(errno, ENOBUFS); // a packet socket is told of the drop
        }
    }
    void send_ip(const Bytes &packet) {
        send_frame(ethernet(world.isp.mac("far0"), world.host.mac("eth0"),
                            (packet[0] & 0xf0) == 0x40 ? ETH_P_IP : ETH_P_IPV6, packet));
    }
};

constexpr std::uint8_t icmp_of(bool v6) {
    return v6 ? 58 : 1;
}
Ip own(bool v6) {
    return Ip::of(v6 ? "2001:db8:1::2" : "198.51.100.2");
}
Ip elsewhere(bool v6) {
    return Ip::of(v6 ? "2001:db8:f::7" : "203.0.113.7");
}

} // namespace

TEST_F(RefuseUdp, ConnectedSocketLearnsAtTheNextCall) {
    EXPECT_EQ(udp_error(world.host, "203.0.113.7", "hello"), ECONNREFUSED);
    EXPECT_EQ(udp_error(world.host, "2001:db8:f::7", "hello"), ECONNREFUSED);
    EXPECT_EQ(udp_error(world.host, "203.0.113.7", ""), ECONNREFUSED);
    EXPECT_EQ(udp_error(world.host, "2001:db8:f::7", ""), ECONNREFUSED);
}

TEST_F(RefuseUdp, ConnectedMappedSocketLearns) {
    Fd fd = socket_in(world.host, AF_INET6, SOCK_DGRAM);
    ASSERT_EQ(connect_with(fd, Ip::of("203.0.113.7").mapped(), 4433).error, 0);
    ASSERT_EQ(send(fd.get(), "x", 1, 0), 1);
    pollfd waiting{fd.get(), POLLIN, 0};
    poll(&waiting, 1, 1000);
    char byte;
    EXPECT_EQ(recv(fd.get(), &byte, 1, 0), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
}

TEST_F(RefuseUdp, AllowedIsNotDisturbed) {
    Fd server = socket_in(world.isp, AF_INET, SOCK_DGRAM), fd = socket_in(world.host, AF_INET, SOCK_DGRAM);
    SockAddr at(Ip::of("198.51.100.1"), 4433);
    ASSERT_EQ(bind(server.get(), at.get(), at.length), 0);
    ASSERT_EQ(connect(fd.get(), at.get(), at.length), 0);
    ASSERT_EQ(send(fd.get(), "x", 1, 0), 1);
    pollfd waiting{server.get(), POLLIN, 0};
    EXPECT_EQ(poll(&waiting, 1, 1000), 1);
}

TEST_F(RefuseUdp, UnconnectedSocketThatAsksGetsPayloadAndOrigin) {
    Fd fd = socket_in(world.host, AF_INET, SOCK_DGRAM);
    int one = 1;
    setsockopt(fd.get(), IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
    SockAddr to(Ip::of("203.0.113.7"), 4433);
    Bytes data = filler(100);
    ASSERT_EQ(sendto(fd.get(), data.data(), data.size(), 0, to.get(), to.length), 100);
    pollfd waiting{fd.get(), 0, 0};
    ASSERT_EQ(poll(&waiting, 1, 1000), 1);
    char buffer[512];
    Message message(buffer, sizeof(buffer));
    ASSERT_EQ(recvmsg(fd.get(), message.get(), MSG_ERRQUEUE), 100);
    EXPECT_EQ(Bytes(buffer, 100), data);
    EXPECT_EQ(reinterpret_cast<const sockaddr_in *>(message.peer.get())->sin_addr.s_addr,
              inet_addr("203.0.113.7"));
    const auto error = message.control<sock_extended_err>(IPPROTO_IP, IP_RECVERR);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->ee_errno, static_cast<unsigned>(ECONNREFUSED));
    EXPECT_EQ(error->ee_type, 3); // destination unreachable
    EXPECT_EQ(error->ee_code, 3); // port
}

TEST_F(RefuseUdp, SegmentedSendIsRefused) {
    for (bool v6 : {false, true}) {
        Fd fd = socket_in(world.host, v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
        SockAddr to(elsewhere(v6), 4433);
        ASSERT_EQ(connect(fd.get(), to.get(), to.length), 0);
        int size = 1000;
        ASSERT_EQ(setsockopt(fd.get(), IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
        auto before = world.state()->segmented;
        Bytes data = filler(20000);
        ASSERT_EQ(send(fd.get(), data.data(), data.size(), 0), 20000);
        pollfd waiting{fd.get(), POLLIN, 0};
        poll(&waiting, 1, 1000);
        char byte;
        EXPECT_EQ(recv(fd.get(), &byte, 1, MSG_DONTWAIT), -1);
        EXPECT_EQ(errno, ECONNREFUSED);
        EXPECT_GT(world.state()->segmented, before);
    }
}

// Lengths around every step of the checksum's blocks, odd ones too; finished (frames made here) and not
// (sockets).
TEST_F(RefuseUdp, QuoteAndChecksumsAreRightForEveryLength) {
    std::vector<std::size_t> lengths;
    for (std::size_t size = 0; size <= 72; size++)
        lengths.push_back(size);
    for (std::size_t middle : {100u, 228u, 484u, 520u, 548u, 996u, 1184u, 1224u, 1400u})
        for (std::size_t size = middle - 3; size <= middle + 3; size++)
            lengths.push_back(size);
    for (bool v6 : {false, true}) {
        std::size_t most = v6 ? 1280 - 48 : 576 - 28;
        Sniffer sniffer(world.host, "eth0");
        Fd fd = socket_in(world.host, v6 ? AF_INET6 : AF_INET, SOCK_DGRAM);
        SockAddr to(elsewhere(v6), 4433);
        for (std::size_t size : lengths) {
            Bytes data;
            for (std::size_t i = 0; i < size; i++)
                data += static_cast<char>(i * 37 + size);
            for (bool finished : {true, false}) {
                Bytes packet =
                    ip(own(v6), elsewhere(v6), IPPROTO_UDP, udp(own(v6), elsewhere(v6), 5555, 4433, data));
                Sniffer::Frame frame;
                // The limit may hold this one back.
                ASSERT_TRUE(eventually([&] {
                    if (finished)
                        send_ip(packet);
                    else
                        sendto(fd.get(), data.data(), data.size(), 0, to.get(), to.length);
                    frame = sniffer.next(icmp_of(v6), 20);
                    return !frame.bytes.empty();
                })) << size;
                EXPECT_EQ(frame.unfinished, !finished);
                Parsed answer = parse(frame.bytes.substr(14));
                ASSERT_TRUE(answer.ip_sum_right && answer.sum_right) << size << " " << v6 << finished;
                EXPECT_EQ(answer.src, elsewhere(v6));
                EXPECT_EQ(answer.dst, own(v6));
                EXPECT_EQ(answer.payload.substr(0, 2), v6 ? Bytes("\1\4", 2) : Bytes("\3\3", 2));
                EXPECT_EQ(answer.payload.substr(4, 4), Bytes(4, '\0'));
                Bytes quote = answer.payload.substr(8);
                ASSERT_EQ(quote.size(), std::min(packet.size(), most));
                if (finished) {
                    EXPECT_EQ(quote, packet.substr(0, most)) << size;
                }
            }
        }
    }
}

TEST_F(RefuseUdp, PaddingBehindThePacketIsNotQuoted) {
    Sniffer sniffer(world.host, "eth0");
    Bytes packet =
        ip(own(false), elsewhere(false), IPPROTO_UDP, udp(own(false), elsewhere(false), 5555, 4433, "abc"));
    send_ip(packet + filler(18));
    Parsed answer = parse(sniffer.next(IPPROTO_ICMP).bytes.substr(14));
    EXPECT_EQ(answer.payload.substr(8), packet);
}

TEST_F(RefuseUdp, AFirstFragmentIsAnsweredATailIsNot) {
    for (bool v6 : {false, true}) {
        Sniffer sniffer(world.host, "eth0");
        Bytes datagram = udp(own(v6), elsewhere(v6), 5555, 4433, filler(800));
        Bytes first, tail;
        if (v6) {
            first =
                ip(own(v6), elsewhere(v6), 44, fragment_header(17, 0, true, 77) + datagram.substr(0, 400));
            tail = ip(own(v6), elsewhere(v6), 44, fragment_header(17, 50, false, 77) + datagram.substr(400));
        } else {
            first =
                ip(own(v6), elsewhere(v6), 17, datagram.substr(0, 400), {.fragment = 0x2000, .options = {}});
            tail = ip(own(v6), elsewhere(v6), 17, datagram.substr(400), {.fragment = 50, .options = {}});
        }
        send_ip(tail);
        EXPECT_TRUE(sniffer.next(icmp_of(v6), 200).bytes.empty());
        send_ip(first);
        EXPECT_FALSE(sniffer.next(icmp_of(v6)).bytes.empty());
    }
}

TEST_F(RefuseUdp, SilenceForMulticastBroadcastAndNobody) {
    auto told = world.limit(LK_LIMIT_ICMP);
    Sniffer sniffer(world.host, "eth0");
    auto frame = [&](const Bytes &mac, const Ip &src, const Ip &dst, std::uint8_t protocol = IPPROTO_UDP) {
        send_frame(ethernet(mac, world.host.mac("eth0"), src.family == 4 ? ETH_P_IP : ETH_P_IPV6,
                            ip(src, dst, protocol, udp(src, dst, 5555, 4433, "x"))));
    };
    const Bytes far = world.isp.mac("far0"), all(6, '\xff'), group("\x01\0\x5e\0\0\1", 6);
    auto before = world.state()->refused;
    frame(far, own(false), Ip::of("239.1.2.3"));
    frame(far, own(false), Ip::of("255.255.255.255"));
    frame(far, own(true), Ip::of("ff0e::1"));
    frame(all, own(false), elsewhere(false));
    frame(group, own(true), elsewhere(true));
    frame(far, Ip::of("0.0.0.0"), elsewhere(false));
    frame(far, Ip::of("::"), elsewhere(true));
    frame(far, Ip::of("127.0.0.1"), elsewhere(false));
    frame(far, Ip::of("224.0.0.1"), elsewhere(false));
    frame(far, Ip::of("255.255.255.255"), elsewhere(false));
    frame(far, Ip::of("ff02::1"), elsewhere(true));
    frame(far, own(false), elsewhere(false), IPPROTO_UDPLITE);
    frame(far, own(false), elsewhere(false), 132);
    frame(far, own(false), elsewhere(false), IPPROTO_ICMP);
    EXPECT_EQ(world.state()->refused, before + 14);
    EXPECT_TRUE(sniffer.next(IPPROTO_ICMP, 200).bytes.empty());
    EXPECT_EQ(world.limit(LK_LIMIT_ICMP).suppressed, told.suppressed);
    // The same by TCP.
    Bytes syn =
        ip(own(false), elsewhere(false), IPPROTO_TCP, tcp(own(false), elsewhere(false), 5555, 443, SYN));
    send_frame(ethernet(all, world.host.mac("eth0"), ETH_P_IP, syn));
    EXPECT_TRUE(sniffer.next(IPPROTO_TCP, 200).bytes.empty());
}

// Last: it fills windows of the limit.
TEST_F(RefuseUdp, ZFloodIsAnsweredOnlySoOften) {
    Fd fd = socket_in(world.host, AF_INET, SOCK_DGRAM),
       raw = socket_in(world.host, AF_INET, SOCK_RAW, IPPROTO_ICMP);
    int buffer = 8 << 20;
    setsockopt(raw.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    SockAddr to(Ip::of("203.0.113.7"), 4433);
    auto before = world.limit(LK_LIMIT_ICMP).suppressed, refused = world.state()->refused;
    constexpr unsigned count = 20000;
    for (unsigned turn = 0; turn < count; turn++)
        sendto(fd.get(), "x", 1, 0, to.get(), to.length);
    ASSERT_GE(world.state()->refused, refused + count);
    unsigned answers = 0;
    pollfd waiting{raw.get(), POLLIN, 0};
    char byte;
    while (poll(&waiting, 1, 100) == 1 && recv(raw.get(), &byte, 1, 0) == 1)
        answers++;
    EXPECT_EQ(answers + world.limit(LK_LIMIT_ICMP).suppressed - before, world.state()->refused - refused);
    EXPECT_LT(answers, count / 2);
    EXPECT_TRUE(eventually([&] { return udp_error(world.host, "203.0.113.7", "x", 100) == ECONNREFUSED; }));
}
