// SPDX-License-Identifier: MIT
#include "render/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "../net/topologies.h"

namespace lk {
namespace {

using test::Dev;
using testing::HasSubstr;

Status full() {
    Status status;
    status.attached = true;
    status.follower = 77;
    status.epoch = 3;
    status.topology =
        test::topology({Dev(2, "eth0").addr("10.1.0.5", 24).route(), Dev(3, "wlan0").addr("10.2.0.5", 24)});
    Scope scope{{"eth0"}, true, {3}, {}};
    scope.policy.gateways = {Gateway::parse("198.51.100.7:1194/udp").value(),
                             Gateway::parse("2001:db8::7").value()};
    scope.policy.resolvers = {Resolver::parse("10.42.0.1").value()};
    scope.policy.vpn_users = {{105, "openvpn"}, {106, "106"}};
    scope.policy.strict = true;
    status.document.scopes.push_back(scope);
    status.built.uplinks = {2};
    status.built.unguarded = {3};
    status.built.notices = {"a notice"};
    status.uplinks.push_back({2, Attachment::tcx, 17, true, {"tcx program 9 \"x\""}, {}});
    for (const char *name : {"sock_create", "connect4"})
        status.cgroup_hooks.push_back({name, true, "/sys/fs/cgroup"});
    status.cgroup_hooks.push_back({"setsockopt", false, ""});
    status.guards = {{"compat", true, ""}, {"sockets", false, ""}, {"links", false, ""}};
    status.lsm_active = false;
    status.counters[LK_HOOK_UPLINK][LK_NOT_ALLOWED] = {1234, 98765};
    status.counters[LK_HOOK_CONNECT4][LK_DNS] = {2, 0};
    status.untold = {1, 2, 3000};
    status.windows = Windows{1200, 1500, 40'000};
    status.weaknesses = {"a weakness"};
    status.remarks = {"a remark"};
    return status;
}

TEST(StatusText, ShowsAllThatMatters) {
    EXPECT_EQ(status_text(full()), R"(policy 3, kept current by pid 77
scope 1: eth0, and uplinks that come later
  gateways   198.51.100.7:1194/udp, 2001:db8::7
  resolvers  10.42.0.1
  VPN users  openvpn (105), 106
  LAN        passes
  multicast  SSDP and mDNS pass
  strict     to gateways only the VPN daemon or the mark
uplinks:
  eth0   guarded    tcx  BEHIND tcx program 9 "x"
  wlan0  UNGUARDED
socket hooks: sock_create, connect4 at /sys/fs/cgroup; MISSING: setsockopt
guards: compat; not there: sockets, links (bpf is no active security module: sockets and links would be inert)
second gate: none
new uplinks: 1,200 had their hook after 1.5 ms (p50), 40.0 ms (p99); until then raw frames pass, and what the second gate does not see
counters:
  hook      reason       packets   bytes
  uplink    not-allowed    1,234  98,765
  connect4  dns                2
  for the rate limits: 1 resets and 2 ICMP errors not sent, 3,000 events not shown
WEAKNESS: a weakness
note: a remark
note: a notice
)");
}

TEST(StatusText, ShowsATrial) {
    Status status = full();
    status.trial = OnTrial{42, 0, true};
    EXPECT_THAT(status_text(status), HasSubstr("ON TRIAL: 42 s left, then everything is taken off again; "
                                               "leakbpf keep makes it stay\n"));
    status.trial = OnTrial{0, 0, false};
    EXPECT_THAT(status_text(status),
                HasSubstr("ON TRIAL, and its time is over: the policy before comes back\n"));
    const auto json = nlohmann::json::parse(status_json(status));
    EXPECT_EQ(json["trial"], nlohmann::json::parse(R"({"deadline":"1970-01-01T00:00:00Z","seconds_left":0,
        "takes_all_off":false})"));
    EXPECT_TRUE(nlohmann::json::parse(status_json(full()))["trial"].is_null());
}

TEST(StatusText, ShowsAPortal) {
    Status status = full();
    status.portal = OpenPortal{42, 1000000000, {{"eth0", "10.1.0.1"}, {"eth0", "fe80::1"}}};
    EXPECT_THAT(
        status_text(status),
        HasSubstr("PORTAL OPEN to 10.1.0.1 (eth0), fe80::1 (eth0): HTTP and HTTPS in the clear, and DNS "
                  "while no tunnel is up, for 42 s; leakbpf portal --close closes it\n"));
    const auto json = nlohmann::json::parse(status_json(status));
    EXPECT_EQ(json["portal"],
              nlohmann::json::parse(R"({"deadline":"2001-09-09T01:46:40Z","seconds_left":42,"routers":[
        {"device":"eth0","address":"10.1.0.1"},{"device":"eth0","address":"fe80::1"}]})"));
    EXPECT_TRUE(nlohmann::json::parse(status_json(full()))["portal"].is_null());
}

TEST(StatusText, PlaceInTheChain) {
    Status status = full();
    status.uplinks[0].ahead.clear();
    EXPECT_THAT(status_text(status), HasSubstr("eth0   guarded    tcx  alone\n"));
    status.uplinks[0].behind = {"tcx program 9 \"x\""};
    EXPECT_THAT(status_text(status), HasSubstr("first, before tcx program 9"));
    status.uplinks[0].ours_alive = false;
    EXPECT_THAT(status_text(status), HasSubstr("NO HOOK"));
    status.uplinks[0].ifindex = 9;
    EXPECT_THAT(status_text(status), HasSubstr("(device 9, gone)"));
}

TEST(StatusText, NothingAttached) {
    EXPECT_EQ(status_text(Status{}), "nothing is attached in this network namespace\n");
}

TEST(StatusText, AHundredThousandGatewaysAreAbridged) {
    Status status = full();
    status.document.scopes[0].policy.gateways.resize(100'000, Gateway::parse("198.51.100.7").value());
    EXPECT_THAT(status_text(status), HasSubstr(" and 99,992 more\n"));
}

TEST(StatusText, NamesCannotTalkToTheTerminal) {
    Status status = full();
    status.topology = test::topology({Dev(2, "e\x1b[2J")});
    EXPECT_THAT(status_text(status), HasSubstr("e\\x1b[2J"));
}

TEST(StatusJson, HasTheDocumentedKeys) {
    const auto json = nlohmann::json::parse(status_json(full()));
    EXPECT_EQ(json["version"], 1);
    EXPECT_EQ(json["attached"], true);
    EXPECT_EQ(json["epoch"], 3);
    EXPECT_EQ(json["follower"]["pid"], 77);
    EXPECT_EQ(json["scopes"][0]["uplinks"][0], "eth0");
    EXPECT_EQ(json["scopes"][0]["takes_new"], true);
    EXPECT_EQ(json["scopes"][0]["unguarded"][0], 3);
    EXPECT_EQ(json["scopes"][0]["policy"]["gateways"][0], "198.51.100.7:1194/udp");
    const auto uplink = nlohmann::json::parse(R"({"name":"eth0","ifindex":2,"guarded":true,"hook":"tcx",
        "alive":true,"program_id":17,"ahead":["tcx program 9 \"x\""],"behind":[]})");
    EXPECT_EQ(json["uplinks"], nlohmann::json::array({uplink}));
    EXPECT_EQ(json["unguarded"], nlohmann::json::array({"wlan0"}));
    EXPECT_EQ(json["socket_hooks"][2],
              nlohmann::json::parse(R"({"name":"setsockopt","alive":false,"cgroup":""})"));
    EXPECT_EQ(json["counters"], nlohmann::json::parse(R"([
        {"hook":"uplink","reason":"not-allowed","packets":1234,"bytes":98765},
        {"hook":"connect4","reason":"dns","packets":2,"bytes":0}])"));
    EXPECT_EQ(json["untold"], nlohmann::json::parse(R"({"resets":1,"icmp":2,"events":3000})"));
    EXPECT_EQ(json["weaknesses"][0], "a weakness");
    EXPECT_EQ(json["remarks"][0], "a remark");
    EXPECT_EQ(json["notices"][0], "a notice");
}

TEST(StatusJson, NothingAttachedAndNamesThatAreNoText) {
    EXPECT_EQ(nlohmann::json::parse(status_json(Status{}))["attached"], false);
    Status status = full();
    status.follower.reset();
    status.topology = test::topology({Dev(2, "e\xff")});
    EXPECT_TRUE(nlohmann::json::parse(status_json(status))["follower"].is_null());
}

} // namespace
} // namespace lk
