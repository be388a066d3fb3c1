// SPDX-License-Identifier: MIT
#include "render/event.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "policy/address.h"

namespace lk {
namespace {

using testing::EndsWith;

lk_event refused() {
    lk_event event{};
    event.src = Address::parse("198.51.100.2").value().abi();
    event.dst = Address::parse("203.0.113.9").value().abi();
    event.sport = htons(40000);
    event.dport = htons(443);
    event.proto = IPPROTO_TCP;
    event.ethertype = ETH_P_IP;
    event.ifindex = 2;
    event.hook = LK_HOOK_UPLINK;
    event.verdict = LK_REFUSE;
    event.reason = LK_NOT_ALLOWED;
    event.length_bytes = 74;
    return event;
}

lk_event with_socket(lk_event event) {
    event.flags |= LK_EVENT_UID;
    event.uid = 1000;
    event.pid = 4711;
    event.cgroup_id = 99;
    std::strncpy(event.comm, "curl", sizeof event.comm);
    return event;
}

EventNames names() {
    return {std::chrono::seconds(1'000'000'000) + std::chrono::microseconds(42), "eth0", "alice",
            "/user.slice"};
}

class EventText : public testing::Test {
  protected:
    void SetUp() override {
        setenv("TZ", "UTC", 1);
        tzset();
    }
};

TEST_F(EventText, AnUplink) {
    EXPECT_EQ(event_text(refused(), names()),
              "01:46:40.000042 refuse not-allowed tcp 198.51.100.2:40000 -> 203.0.113.9:443 on eth0");
    EXPECT_THAT(event_text(with_socket(refused()), names()),
                EndsWith(" on eth0 user alice pid 4711 (curl) cgroup /user.slice"));
    EXPECT_THAT(event_text(with_socket(refused()), EventNames{}),
                EndsWith(" on device 2 user 1000 pid 4711 (curl) cgroup 99"));
}

TEST_F(EventText, Ipv6AndProtocolsWithoutPorts) {
    lk_event event = refused();
    event.src = Address::parse("2001:db8::1").value().abi();
    event.dst = Address::parse("2001:db8::2").value().abi();
    event.ethertype = ETH_P_IPV6;
    EXPECT_THAT(event_text(event, names()),
                EndsWith(" tcp [2001:db8::1]:40000 -> [2001:db8::2]:443 on eth0"));
    event.proto = IPPROTO_ICMPV6;
    EXPECT_THAT(event_text(event, names()), EndsWith(" icmpv6 2001:db8::1 -> 2001:db8::2 on eth0"));
    event.proto = 200;
    event.flags = LK_EVENT_FORWARDED;
    EXPECT_THAT(event_text(event, names()), EndsWith(" 200 2001:db8::1 -> 2001:db8::2 on eth0 forwarded"));
}

TEST_F(EventText, FramesAndSocketHooks) {
    lk_event frame = refused();
    frame.ethertype = 0x8100;
    frame.verdict = LK_DROP;
    frame.reason = LK_ETHERTYPE;
    EXPECT_THAT(event_text(frame, names()), EndsWith(" drop ethertype ethertype 0x8100 on eth0"));
    lk_event connect = with_socket(refused());
    connect.hook = LK_HOOK_CONNECT4;
    connect.verdict = LK_REWRITE;
    connect.reason = LK_DNS;
    EXPECT_THAT(event_text(connect, names()),
                EndsWith(" rewrite dns tcp -> 203.0.113.9:443 at connect4 user alice pid 4711 (curl) cgroup "
                         "/user.slice"));
    lk_event bypass = with_socket(refused());
    bypass.hook = LK_HOOK_SETSOCKOPT;
    bypass.reason = LK_BYPASS;
    EXPECT_THAT(event_text(bypass, names()),
                EndsWith(" refuse bypass at setsockopt user alice pid 4711 (curl) cgroup /user.slice"));
}

TEST_F(EventText, CommandsCannotTalkToTheTerminal) {
    lk_event event = with_socket(refused());
    std::memcpy(event.comm, "\x1b[2J0123456789ab", sizeof event.comm); // no NUL at the end
    EXPECT_THAT(event_text(event, names()), testing::HasSubstr("(\\x1b[2J0123456789ab)"));
}

TEST(EventJson, IsOneLineWithTheDocumentedKeys) {
    const std::string line = event_json(with_socket(refused()), names());
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(nlohmann::json::parse(line), nlohmann::json::parse(R"({
        "time": "2001-09-09T01:46:40.000042Z", "hook": "uplink", "verdict": "refuse", "reason": "not-allowed",
        "protocol": "tcp", "ethertype": 2048, "source": {"address": "198.51.100.2", "port": 40000},
        "destination": {"address": "203.0.113.9", "port": 443}, "device": {"ifindex": 2, "name": "eth0"},
        "forwarded": false, "uid": 1000, "user": "alice", "pid": 4711, "command": "curl", "cgroup_id": 99,
        "cgroup": "/user.slice", "bytes": 74})"));
}

TEST(EventJson, WhatIsNotKnownIsNull) {
    lk_event event = refused();
    event.ethertype = 0x88cc;
    const auto json = nlohmann::json::parse(event_json(event, EventNames{}));
    for (const char *key :
         {"protocol", "source", "destination", "uid", "user", "pid", "command", "cgroup_id", "cgroup"})
        EXPECT_TRUE(json.at(key).is_null()) << key;
    EXPECT_TRUE(json["device"]["name"].is_null());
    event.hook = LK_HOOK_SETSOCKOPT;
    EXPECT_TRUE(nlohmann::json::parse(event_json(event, EventNames{}))["device"].is_null());
}

} // namespace
} // namespace lk
