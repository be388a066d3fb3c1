// SPDX-License-Identifier: MIT
// Who has asked a service, and for how long that counts: the table of bpf/serve.h, compiled natively, with
// packets as they come and go and a clock that is set.
#include <gtest/gtest.h>

#include <map>

#include "cases/judges/image.h"
#include "cases/table.h"
#include "image/judge.h"

namespace lk {
namespace {

constexpr std::uint8_t syn = 0x02, ack = 0x10, syn_ack = 0x12, fin_ack = 0x11, rst = 0x04;
constexpr std::uint64_t second_ns = 1'000'000'000;

Packet flagged(const Packet &p, std::uint8_t flags) {
    return p.patch(13, {flags});
}
Packet numbered(const Packet &p, std::size_t at, std::uint32_t number) {
    return p.patch(at, {static_cast<std::uint8_t>(number >> 24), static_cast<std::uint8_t>(number >> 16),
                        static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
}

class ServeTable : public testing::Test {
  protected:
    ServeTable() {
        World world = laptop();
        for (const char *text : {"tcp/22", "udp/4433"})
            world.policy.services.push_back(ServedPort::parse(text).value());
        std::uint32_t next_id = 1;
        const Encoded encoded = encode(world, next_id);
        device_ = encoded.device.value();
        device_.policy.flags &= ~static_cast<__u32>(LK_POLICY_GW_HOSTS | LK_POLICY_GW_NETS);
        device_.flags = 0; // no networks: nothing is LAN
        maps_.self = this;
        maps_.serve = [](void *, const lk_serve_net *key) -> const __u32 * {
            static const __u32 yes = 1;
            const bool named =
                (key->proto == 6 && key->port == be(22)) || (key->proto == 17 && key->port == be(4433));
            return named ? &yes : nullptr;
        };
        maps_.bucket = [](void *self, __u32 index) -> void * {
            auto &bucket = static_cast<ServeTable *>(self)->buckets_[index];
            bucket.resize((lk_native_bucket_bytes() + 7) / 8);
            return bucket.data();
        };
        at(0);
    }
    static __be16 be(std::uint16_t port) { return static_cast<__be16>(port << 8 | port >> 8); }
    void at(std::uint64_t seconds) { maps_.now_ns = (seconds + 1000) * second_ns; }
    void comes(const Packet &p) {
        const Bytes frame = p.frame(false);
        lk_native_came(&maps_, &device_, frame.data(), static_cast<__u32>(frame.size()));
    }
    bool served(const Packet &p) {
        const Bytes frame = p.frame(false);
        const lk_native_sender sender{};
        const auto answer =
            lk_native_judge(&maps_, &device_, &sender, frame.data(), static_cast<__u32>(frame.size()));
        return answer.verdict == LK_PASS && answer.reason == LK_SERVED;
    }
    Packet in(std::uint8_t flags, unsigned port = 50000, const std::string &from = "203.0.113.200") {
        return flagged(tcp(from, "192.168.1.10", port, 22), flags);
    }
    Packet out(std::uint8_t flags, unsigned port = 50000, const std::string &to = "203.0.113.200") {
        return flagged(tcp("192.168.1.10", to, 22, port), flags);
    }
    // The three packets by which a connection is made; ANSWERED: the number in the last.
    void shake_hands(std::uint32_t answered, unsigned port = 50000,
                     const std::string &who = "203.0.113.200") {
        comes(in(syn, port, who));
        EXPECT_TRUE(served(numbered(out(syn_ack, port, who), 4, 7000)));
        comes(numbered(in(ack, port, who), 8, answered));
    }
    lk_dev device_{};
    lk_native_maps maps_{};
    std::map<__u32, std::vector<std::uint64_t>> buckets_;
};

TEST_F(ServeTable, WhatIsHalfOpenEndsAfterAMinute) {
    comes(in(syn));
    at(58);
    EXPECT_TRUE(served(out(syn_ack)));
    comes(in(ack)); // of a number that nobody sent
    at(62);
    EXPECT_FALSE(served(out(syn_ack)));
    comes(in(ack));
    EXPECT_FALSE(served(out(ack)));
    comes(in(syn)); // asks again
    EXPECT_TRUE(served(out(syn_ack)));
}

TEST_F(ServeTable, AConnectionLivesOnWhenItsNumberWasSeen) {
    shake_hands(7001);
    at(7000);
    EXPECT_TRUE(served(out(ack)));
    comes(in(ack));
    at(14000);
    EXPECT_TRUE(served(out(ack)));
    at(15000); // 8000 s after the last packet that came
    EXPECT_FALSE(served(out(ack)));
}

TEST_F(ServeTable, AForgedNumberSettlesNothing) {
    for (const std::uint32_t forged : {0u, 7000u, 0x7000'0000u, 7001u + 0x10000u}) {
        buckets_.clear();
        at(0);
        shake_hands(forged);
        at(62);
        EXPECT_FALSE(served(out(ack))) << forged;
    }
    buckets_.clear();
    at(0);
    shake_hands(7001 + 0xffff); // data went out with the SYN-ACK
    at(62);
    EXPECT_TRUE(served(out(ack)));
}

TEST_F(ServeTable, AClosedConnectionEndsSoon) {
    for (const std::uint8_t last : {fin_ack, rst}) {
        buckets_.clear();
        at(0);
        shake_hands(7001);
        EXPECT_TRUE(served(out(last)));
        at(118);
        EXPECT_TRUE(served(out(ack)));
        at(122);
        EXPECT_FALSE(served(out(ack)));
    }
    comes(in(rst)); // and a reset opens nothing
    EXPECT_FALSE(served(out(ack)));
}

TEST_F(ServeTable, UdpLivesThreeMinutesBeyondWhatCame) {
    const Packet query = udp("203.0.113.200", "192.168.1.10", 50000, 4433),
                 reply = udp("192.168.1.10", "203.0.113.200", 4433, 50000);
    EXPECT_FALSE(served(reply));
    comes(query);
    at(178);
    EXPECT_TRUE(served(reply)); // which prolongs nothing
    at(182);
    EXPECT_FALSE(served(reply));
    comes(query);
    at(350);
    comes(query);
    at(528);
    EXPECT_TRUE(served(reply));
    at(532);
    EXPECT_FALSE(served(reply));
}

// Forged sources that are answered once each are no conversations.
TEST_F(ServeTable, UdpThatIsAnsweredOnceGivesWay) {
    const auto query = [](unsigned port, const std::string &from) {
        return udp(from, "192.168.1.10", port, 4433);
    };
    const auto reply = [](unsigned port, const std::string &to) {
        return udp("192.168.1.10", to, 4433, port);
    };
    const std::string friendly = "203.0.113.200";
    for (int i = 0; i < 2; ++i) {
        comes(query(50000, friendly));
        EXPECT_TRUE(served(reply(50000, friendly)));
    }
    for (unsigned i = 0; i < 100000; ++i) {
        const std::string from =
            "100." + std::to_string(i % 251) + "." + std::to_string(i / 251 % 251) + ".1";
        comes(query(1 + i % 60000, from));
        served(reply(1 + i % 60000, from));
    }
    EXPECT_TRUE(served(reply(50000, friendly)));
    comes(query(50001, friendly));
    EXPECT_TRUE(served(reply(50001, friendly)));
}

TEST_F(ServeTable, OneHostHasItsShare) {
    shake_hands(7001);
    unsigned own = 0;
    for (unsigned port = 1; port < 65536; ++port)
        comes(in(syn, port, "192.0.2.1"));
    for (unsigned port = 1; port < 65536; ++port)
        own += served(out(syn_ack, port, "192.0.2.1"));
    EXPECT_LE(own, LK_SERVE_BUCKETS * LK_SERVE_SHARE);
    EXPECT_GE(own, LK_SERVE_BUCKETS * LK_SERVE_SHARE * 9 / 10);
    EXPECT_TRUE(served(out(ack)));
    comes(in(syn, 50001));
    EXPECT_TRUE(served(out(syn_ack, 50001)));
}

TEST_F(ServeTable, OneNetworkOfIpv6IsOneHost) {
    const auto from = [](unsigned host) { return "2001:db8:ffff:1::" + std::to_string(host % 10000); };
    const auto packet = [&](unsigned i, bool leaves) {
        const unsigned port = 1 + i % 60000;
        return leaves ? flagged(tcp("fd00:1::10", from(i), 22, port), syn_ack)
                      : flagged(tcp(from(i), "fd00:1::10", port, 22), syn);
    };
    unsigned own = 0;
    for (unsigned i = 0; i < 30000; ++i)
        comes(packet(i, false));
    for (unsigned i = 0; i < 30000; ++i)
        own += served(packet(i, true));
    EXPECT_LE(own, LK_SERVE_BUCKETS * LK_SERVE_SHARE);
}

TEST_F(ServeTable, AFloodOfManyTakesNothingThatIsSettled) {
    for (unsigned port = 50000; port < 50100; ++port)
        shake_hands(7001, port);
    for (unsigned i = 0; i < 200000; ++i)
        comes(in(syn, 1 + i % 60000,
                 "100." + std::to_string(i % 251) + "." + std::to_string(i / 251 % 251) + ".1"));
    for (unsigned port = 50000; port < 50100; ++port)
        EXPECT_TRUE(served(out(ack, port))) << port;
    comes(in(syn, 50200)); // who comes now takes the place of one of the flood
    EXPECT_TRUE(served(out(syn_ack, 50200)));
}

} // namespace
} // namespace lk
