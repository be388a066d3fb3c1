// SPDX-License-Identifier: MIT
// Resets: who gets one, that the kernel takes it, and what it looks like on the wire (RFC 9293 3.10.7.1).
#include <arpa/inet.h>
#include <linux/in6.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/process.h"
#include "refuse_world.h"

using lk::Fd;
using namespace lk::harness;

namespace {

struct RefuseTcp : testing::Test {
    RefuseWorld &world = RefuseWorld::get();
    void SetUp() override {
        world.state()->refusing = 1;
        world.leaked();
    }
    void TearDown() override { EXPECT_EQ(world.leaked(), 0u); }
};

std::uint32_t word(const Bytes &data, std::size_t at) {
    std::uint32_t value;
    memcpy(&value, data.data() + at, sizeof(value));
    return ntohl(value);
}

// Sends a TCP segment from the host's raw socket and returns the segment that comes back, or an empty one.
Bytes answer_to(RefuseWorld &world, bool v6, unsigned flags, std::uint32_t seq, std::uint32_t ack,
                const Bytes &payload, int timeout_ms = 2000) {
    Ip src = Ip::of(v6 ? "2001:db8:1::2" : "198.51.100.2"),
       dst = Ip::of(v6 ? "2001:db8:f::7" : "203.0.113.7");
    Fd raw = socket_in(world.host, v6 ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_TCP);
    Sniffer sniffer(world.host, "eth0");
    Bytes segment = tcp(src, dst, 41234, 443, flags, seq, ack, payload);
    SockAddr to(dst, 0);
    sendto(raw.get(), segment.data(), segment.size(), 0, to.get(), to.length); // may be told of the drop
    Sniffer::Frame frame = sniffer.next(IPPROTO_TCP, timeout_ms);
    if (frame.bytes.empty()) return {};
    Parsed answer = parse(frame.bytes.substr(14));
    EXPECT_EQ(answer.src, dst);
    EXPECT_EQ(answer.dst, src);
    EXPECT_TRUE(answer.ip_sum_right);
    EXPECT_TRUE(answer.sum_right);
    EXPECT_FALSE(frame.unfinished) << "a raw socket's checksum is finished";
    EXPECT_EQ(frame.bytes.substr(0, 6), world.host.mac("eth0"));
    EXPECT_EQ(frame.bytes.substr(6, 6), world.isp.mac("far0"));
    return answer.payload;
}

} // namespace

TEST_F(RefuseTcp, TheFarSideAnswersWithoutTheFilter) {
    world.state()->refusing = 0;
    EXPECT_EQ(connect_from(world.host, "203.0.113.7", 443).error, ECONNREFUSED); // isp's own reset
    EXPECT_EQ(connect_from(world.box, "2001:db8:f::7", 443).error, ECONNREFUSED);
    EXPECT_GE(world.leaked(), 2u);
}

TEST_F(RefuseTcp, LocalConnectIsRefusedAtOnce) {
    for (const char *address : {"203.0.113.7", "2001:db8:f::7"}) {
        Connected result = connect_from(world.host, address, 443);
        EXPECT_EQ(result.error, ECONNREFUSED) << address;
        EXPECT_LT(result.ms, 1000) << address; // no second SYN was needed (RFC 6298 2.1)
    }
}

TEST_F(RefuseTcp, BlockingConnectIsRefused) {
    for (const char *address : {"203.0.113.7", "2001:db8:f::7"}) {
        Ip ip = Ip::of(address);
        Fd fd = socket_in(world.host, ip.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM);
        SockAddr to(ip, 443);
        EXPECT_EQ(connect(fd.get(), to.get(), to.length), -1);
        EXPECT_EQ(errno, ECONNREFUSED) << address;
    }
}

TEST_F(RefuseTcp, MappedConnectIsRefused) {
    Fd fd = socket_in(world.host, AF_INET6, SOCK_STREAM);
    EXPECT_EQ(connect_with(fd, Ip::of("203.0.113.7").mapped(), 443).error, ECONNREFUSED);
}

TEST_F(RefuseTcp, DestinationOptionsAreTakenOff) {
    Fd fd = socket_in(world.host, AF_INET6, SOCK_STREAM);
    const unsigned char padding[8] = {0, 0, 1, 4, 0, 0, 0, 0}; // PadN
    ASSERT_EQ(setsockopt(fd.get(), IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof(padding)), 0)
        << strerror(errno);
    Sniffer sniffer(world.host, "eth0");
    auto before = world.state()->extended;
    EXPECT_EQ(connect_with(fd, Ip::of("2001:db8:f::7"), 443).error, ECONNREFUSED);
    EXPECT_GT(world.state()->extended, before);
    Parsed reset = parse(sniffer.next(IPPROTO_TCP).bytes.substr(14));
    EXPECT_TRUE(reset.sum_right);
    EXPECT_EQ(reset.payload.size(), 20u);
}

TEST_F(RefuseTcp, FastOpenWithDataIsRefused) {
    world.host.sysctl("ipv4/tcp_fastopen", "5"); // client, and data without a cookie
    for (const char *address : {"203.0.113.7", "2001:db8:f::7"}) {
        Ip ip = Ip::of(address);
        Fd fd = socket_in(world.host, ip.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM);
        SockAddr to(ip, 443);
        auto before = world.state()->with_bytes;
        Bytes data = filler(300);
        ssize_t sent = sendto(fd.get(), data.data(), data.size(), MSG_FASTOPEN, to.get(), to.length);
        int error = sent < 0 ? errno : 0;
        if (sent >= 0) {
            char byte;
            error = recv(fd.get(), &byte, 1, 0) < 0 ? errno : 0;
        }
        EXPECT_EQ(error, ECONNREFUSED) << address;
        EXPECT_GT(world.state()->with_bytes, before) << "the SYN carried no data";
    }
}

// Established before the policy was there; the segment that meets it is large, unfinished and GSO.
TEST_F(RefuseTcp, EstablishedConnectionIsResetEvenInASegmentedWrite) {
    for (const char *address : {"203.0.113.7", "2001:db8:f::7"}) {
        world.state()->refusing = 0;
        Ip ip = Ip::of(address);
        int domain = ip.family == 4 ? AF_INET : AF_INET6;
        Fd listener = socket_in(world.isp, domain, SOCK_STREAM),
           fd = socket_in(world.host, domain, SOCK_STREAM);
        SockAddr at(ip, 8443);
        ASSERT_EQ(bind(listener.get(), at.get(), at.length), 0);
        ASSERT_EQ(listen(listener.get(), 1), 0);
        ASSERT_EQ(connect(fd.get(), at.get(), at.length), 0);
        Fd peer(accept(listener.get(), nullptr, nullptr));
        char byte = 'x'; // opens the congestion window's accounting and ends the handshake on both sides
        ASSERT_EQ(send(peer.get(), &byte, 1, 0), 1);
        ASSERT_EQ(recv(fd.get(), &byte, 1, 0), 1);
        ASSERT_TRUE(eventually([&] {
            tcp_info info{};
            socklen_t length = sizeof(info);
            getsockopt(peer.get(), IPPROTO_TCP, TCP_INFO, &info, &length);
            return info.tcpi_unacked == 0;
        }));
        world.leaked();

        world.state()->refusing = 1;
        auto before = world.state()->segmented;
        Bytes data = filler(60000);
        send(fd.get(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        pollfd waiting{fd.get(), POLLIN, 0};
        ASSERT_EQ(poll(&waiting, 1, 2000), 1);
        EXPECT_EQ(recv(fd.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNRESET) << address;
        EXPECT_GT(world.state()->segmented, before) << "no GSO packet was refused";
        world.state()->refusing = 0; // isp's end learns of it
        peer.reset();
        world.leaked();
    }
}

TEST_F(RefuseTcp, ASynIsAcknowledged) {
    for (bool v6 : {false, true}) {
        Bytes reset = answer_to(world, v6, SYN, 0xfffffff0u, 0, filler(40));
        ASSERT_EQ(reset.size(), 20u);
        EXPECT_EQ(reset.substr(0, 4), be16(443) + be16(41234));
        EXPECT_EQ(word(reset, 4), 0u);
        EXPECT_EQ(word(reset, 8), 0xfffffff0u + 41u);
        EXPECT_EQ(word(reset, 12) >> 16, 0x5000u | RST | ACK);
    }
}

TEST_F(RefuseTcp, AnAcknowledgementIsTakenAsSequence) {
    for (bool v6 : {false, true}) {
        Bytes reset = answer_to(world, v6, ACK | PSH, 1000, 0x12345678, filler(33));
        ASSERT_EQ(reset.size(), 20u);
        EXPECT_EQ(word(reset, 4), 0x12345678u);
        EXPECT_EQ(word(reset, 8), 0u);
        EXPECT_EQ(word(reset, 12) >> 16, 0x5000u | RST);
    }
}

TEST_F(RefuseTcp, AFinWithoutAcknowledgementCounts) {
    Bytes reset = answer_to(world, false, FIN, 7, 0, filler(3));
    ASSERT_EQ(reset.size(), 20u);
    EXPECT_EQ(word(reset, 8), 7u + 3u + 1u);
}

TEST_F(RefuseTcp, NeverInAnswerToAReset) {
    auto before = world.limit(LK_LIMIT_RESET), refused_before = RefuseWorld::Limit{world.state()->refused, 0};
    EXPECT_TRUE(answer_to(world, false, RST, 1, 0, {}, 200).empty());
    EXPECT_TRUE(answer_to(world, true, RST | ACK, 1, 1, {}, 200).empty());
    EXPECT_GE(world.state()->refused,
              refused_before.used + 2); // a socket of another test may still be ending
    EXPECT_EQ(world.limit(LK_LIMIT_RESET).suppressed, before.suppressed);
}

// Every port pair makes another checksum: both the finished and the unfinished ones have to come out right.
TEST_F(RefuseTcp, ChecksumsHoldForManyTuples) {
    for (unsigned turn = 0; turn < 64; turn++) {
        bool v6 = turn & 1;
        Bytes reset =
            answer_to(world, v6, turn & 2 ? SYN : ACK, turn * 0x03030303u, turn * 0x0f0f0f0fu, filler(turn));
        ASSERT_EQ(reset.size(), 20u) << turn;
    }
}

TEST_F(RefuseTcp, ChecksumIsRightInAnUnfinishedPacketToo) {
    for (const char *address : {"203.0.113.7", "2001:db8:f::7"})
        for (int turn = 0; turn < 20; turn++) {
            Sniffer sniffer(world.host, "eth0");
            EXPECT_EQ(connect_from(world.host, address, static_cast<std::uint16_t>(443 + turn)).error,
                      ECONNREFUSED);
            Sniffer::Frame frame = sniffer.next(IPPROTO_TCP);
            ASSERT_FALSE(frame.bytes.empty());
            EXPECT_TRUE(frame.unfinished) << "the kernel finished the checksum: nothing tested";
            EXPECT_TRUE(parse(frame.bytes.substr(14)).sum_right) << address << " " << turn;
        }
}

TEST_F(RefuseTcp, ARefusalIsFasterThanAConnection) {
    for (const Netns *from : {&world.host, &world.box}) {
        for (bool v6 : {false, true}) {
            Ip open = Ip::of(v6 ? "2001:db8:1::1" : "198.51.100.1");
            Fd listener = socket_in(world.isp, v6 ? AF_INET6 : AF_INET, SOCK_STREAM);
            SockAddr at(open, 9443);
            int one = 1;
            setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
            ASSERT_EQ(bind(listener.get(), at.get(), at.length), 0);
            ASSERT_EQ(listen(listener.get(), 256), 0);
            std::vector<double> allowed, refused;
            for (int turn = 0; turn < 100; turn++) {
                Connected pass = connect_from(*from, open.str(), 9443);
                Connected refuse = connect_from(*from, v6 ? "2001:db8:f::7" : "203.0.113.7", 9443);
                ASSERT_EQ(pass.error, 0);
                ASSERT_EQ(refuse.error, ECONNREFUSED);
                allowed.push_back(pass.ms);
                refused.push_back(refuse.ms);
            }
            std::sort(allowed.begin(), allowed.end());
            std::sort(refused.begin(), refused.end());
            RecordProperty(fmt::format("{}{}", from->name(), v6 ? 6 : 4),
                           fmt::format("allowed {:.3f} ms, refused {:.3f} ms", allowed[50], refused[50]));
            fmt::print("{} IPv{}: allowed {:.3f} ms, refused {:.3f} ms\n", from->name(), v6 ? 6 : 4,
                       allowed[50], refused[50]);
            EXPECT_LT(refused[50], allowed[50] * 1.5);
        }
    }
}

// Last: it fills windows of the limit.
TEST_F(RefuseTcp, ZFloodIsAnsweredOnlySoOften) {
    Fd raw = socket_in(world.host, AF_INET, SOCK_RAW, IPPROTO_TCP);
    Bytes segment = tcp(Ip::of("198.51.100.2"), Ip::of("203.0.113.7"), 41234, 443, ACK, 1, 1);
    SockAddr to(Ip::of("203.0.113.7"), 0);
    auto before = world.limit(LK_LIMIT_RESET).suppressed;
    auto refused = world.state()->refused;
    for (int turn = 0; turn < 20000; turn++)
        sendto(raw.get(), segment.data(), segment.size(), 0, to.get(), to.length);
    ASSERT_GE(world.state()->refused, refused + 20000);
    EXPECT_GT(world.limit(LK_LIMIT_RESET).suppressed, before);
    // A window later there is an answer again.
    EXPECT_TRUE(
        eventually([&] { return connect_from(world.host, "203.0.113.7", 443).error == ECONNREFUSED; }));
}
