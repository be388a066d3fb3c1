// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "policy/policy.h"

namespace lk {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Policy full_policy() {
    Policy policy;
    for (const char *text :
         {"198.51.100.7", "198.51.100.0/24:1194/udp", "[2001:db8::/64]:443/tcp", "2001:db8::9/esp"})
        policy.gateways.push_back(*Gateway::parse(text));
    policy.resolvers = {*Resolver::parse("10.42.0.1"), *Resolver::parse("[2001:db8::53]:5353")};
    policy.bootstrap = BootstrapName::parse_list("198.51.100.53=a.example,vpn.example.org").value();
    policy.services = {*ServedPort::parse("tcp/22"), *ServedPort::parse("udp/51820@2001:db8::/32")};
    policy.vpn_users = {{105, "openvpn"}, {4294967294u, "4294967294"}};
    policy.vpn_cgroups = {{"/system.slice/openvpn.service", 0xffffffffffffffffull, 2},
                          {"/\xff\xfe odd\n", 7, 1}};
    policy.vpn_mark = *Fwmark::parse("0xca6c/0xffff");
    policy.lan = {*Prefix::parse("203.0.113.0/24"), *Prefix::parse("::/0")};
    policy.nat64 = {*Prefix::parse("64:ff9b:1::/96")};
    policy.tunnels = {"wg0", "t\xff"};
    policy.insides = {"br-\"x\\"};
    policy.no_lan = policy.lan_names = policy.no_multicast = policy.strict = policy.lockdown = policy.pppoe =
        true;
    policy.action = Action::drop;
    policy.hook = HookKind::clsact;
    policy.lock_sockets = true;
    policy.sockets_for = {"tcpdump"};
    policy.refusal = *Errno::parse("EHOSTUNREACH");
    return policy;
}

Document full_document() {
    Document document;
    document.scopes.push_back({{"eth0", "wlan\xc3"}, false, {3, 2147483647}, full_policy()});
    document.scopes.push_back({{}, true, {}, Policy{}});
    document.trial = Trial{18446744073709551615u, {{{"eth1"}, true, {7}, Policy{}}}, {4, 5}};
    document.portal = Portal{9, {{2, *Address::parse("10.1.0.1")}, {3, *Address::parse("fe80::1")}}};
    return document;
}

TEST(DocumentJson, RoundTrips) {
    const Document document = full_document();
    const std::string text = to_json(document);
    auto back = document_from_json(text);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, document);
    EXPECT_EQ(to_json(*back), text);
    EXPECT_EQ(*document_from_json(to_json(Document{})), Document{});
}

// Each switch by itself: a pair that is swapped or forgotten shows.
TEST(DocumentJson, KeepsEachSwitch) {
    for (bool Policy::*flag : {&Policy::no_lan, &Policy::lan_names, &Policy::no_multicast, &Policy::strict,
                               &Policy::lockdown, &Policy::pppoe, &Policy::lock_sockets}) {
        Document document;
        document.scopes.emplace_back().policy.*flag = true;
        EXPECT_EQ(*document_from_json(to_json(document)), document);
    }
}

std::string error_of(const json &changed) {
    auto back = document_from_json(changed.dump());
    return back ? "taken" : back.error().message;
}

TEST(DocumentJson, UnknownAndMissingKeysAreErrorsWithTheirPath) {
    const json good = json::parse(to_json(full_document()));
    const char *objects[] = {"",
                             "/scopes/0",
                             "/scopes/0/policy",
                             "/scopes/0/policy/vpn_users/1",
                             "/scopes/0/policy/vpn_cgroups/0",
                             "/trial",
                             "/trial/before/0",
                             "/portal",
                             "/portal/routers/1"};
    const char *paths[] = {"$",
                           "$.scopes[0]",
                           "$.scopes[0].policy",
                           "$.scopes[0].policy.vpn_users[1]",
                           "$.scopes[0].policy.vpn_cgroups[0]",
                           "$.trial",
                           "$.trial.before[0]",
                           "$.portal",
                           "$.portal.routers[1]"};
    for (std::size_t i = 0; i < std::size(objects); ++i) {
        const json::json_pointer at(objects[i]);
        json extra = good;
        extra[at]["no_wan"] = true;
        EXPECT_THAT(error_of(extra), HasSubstr(std::string(paths[i]) + ".no_wan: unknown key"));
        for (const auto &item : good[at].items()) {
            if (item.key() == "trial" || item.key() == "portal" || item.key() == "errno")
                continue; // documents without one have no such key
            json missing = good;
            missing[at].erase(item.key());
            EXPECT_THAT(error_of(missing), HasSubstr(std::string(paths[i]) + "." + item.key() + ": missing"));
        }
    }
}

TEST(DocumentJson, WrongValuesAreErrorsWithTheirPath) {
    const std::tuple<const char *, json, const char *> rows[] = {
        {"/format", 2, "$.format: 2 is of another leakbpf: expected 1"},
        {"/format", "1", "$.format"},
        {"/scopes", json::object(), "$.scopes: expected a list"},
        {"/scopes/1", 7, "$.scopes[1]: expected an object"},
        {"/scopes/0/uplinks", "eth0", "$.scopes[0].uplinks: expected a list"},
        {"/scopes/0/uplinks/0", 7, "$.scopes[0].uplinks[0]: expected a text"},
        {"/scopes/0/uplinks/0", {{"hex", "6"}}, "hexadecimal"},
        {"/scopes/0/uplinks/0", {{"hex", "zz"}}, "hexadecimal"},
        {"/scopes/0/uplinks/0", {{"hex", "65"}, {"x", 1}}, "expected a text"},
        {"/scopes/0/takes_new", 1, "$.scopes[0].takes_new: expected true or false"},
        {"/scopes/0/unguarded/0", -1, "$.scopes[0].unguarded[0]: expected a number from 0 to 2147483647"},
        {"/scopes/0/unguarded/0", 2147483648, "$.scopes[0].unguarded[0]"},
        {"/scopes/0/unguarded/0", 1.5, "$.scopes[0].unguarded[0]"},
        {"/scopes/0/policy/strict", "no", "$.scopes[0].policy.strict: expected true or false"},
        {"/scopes/0/policy/gateways/2", "vpn.example.com", "$.scopes[0].policy.gateways[2]: --gw"},
        {"/scopes/0/policy/gateways/2", 7, "$.scopes[0].policy.gateways[2]: expected a text"},
        {"/scopes/0/policy/gateways", json(nullptr), "$.scopes[0].policy.gateways: expected a list"},
        {"/scopes/0/policy/resolvers/0", "10.0.0.0/8", "$.scopes[0].policy.resolvers[0]"},
        {"/scopes/0/policy/lan/0", "203.0.113.7/24", "$.scopes[0].policy.lan[0]"},
        {"/scopes/0/policy/vpn_users/0/uid", 0, "$.scopes[0].policy.vpn_users[0]: the VPN user"},
        {"/scopes/0/policy/vpn_users/0/uid", 4294967296, "$.scopes[0].policy.vpn_users[0].uid"},
        {"/scopes/0/policy/vpn_cgroups/0/level", "1", "$.scopes[0].policy.vpn_cgroups[0].level"},
        {"/scopes/0/policy/vpn_mark", "0", "$.scopes[0].policy.vpn_mark"},
        {"/scopes/0/policy/vpn_mark", 1, "$.scopes[0].policy.vpn_mark: expected a text"},
        {"/scopes/0/policy/action", "reject", "$.scopes[0].policy.action: there is no action"},
        {"/trial", nullptr, "$.trial: expected an object"},
        {"/trial/deadline_boottime_ns", -1, "$.trial.deadline_boottime_ns: expected a number"},
        {"/trial/guarded_before/1", "eth0", "$.trial.guarded_before[1]: expected a number"},
        {"/trial/before/0/takes_new", 1, "$.trial.before[0].takes_new: expected true or false"},
        {"/portal/routers/0/address", "10.1.0.1/24", "$.portal.routers[0].address"},
        {"/scopes/0/policy/hook", "xdp", "$.scopes[0].policy.hook: there is no hook"},
    };
    for (const auto &[pointer, value, says] : rows) {
        json changed = json::parse(to_json(full_document()));
        changed[json::json_pointer(pointer)] = value;
        EXPECT_THAT(error_of(changed), HasSubstr(says)) << pointer << " = " << value;
    }
}

TEST(DocumentJson, RefusesWhatIsNoDocument) {
    for (const char *text :
         {"", "{", "[]", "null", "7", "{\"format\":1}", "{\"scopes\":[]}", "{\"format\":1,\"scopes\":[]}x"})
        EXPECT_FALSE(document_from_json(text)) << text;
    EXPECT_THAT(document_from_json(R"({"format":1,"format":1,"scopes":[]})").error().message,
                HasSubstr("\"format\" is there twice"));
    EXPECT_TRUE(document_from_json(R"({"format":1,"scopes":[]})"));
}

TEST(DocumentJson, CutAnywhereIsAnErrorAndNoCrash) {
    const std::string text = to_json(full_document());
    for (std::size_t length = 0; length < text.size(); ++length)
        EXPECT_FALSE(document_from_json(std::string_view(text).substr(0, length))) << length;
}

TEST(DocumentJson, RandomDamageNeverCrashes) {
    const std::string text = to_json(full_document());
    std::mt19937 random(11);
    for (int i = 0; i < 3000; ++i) {
        std::string damaged = text;
        for (unsigned n = random() % 4; n-- > 0;)
            damaged[random() % damaged.size()] = static_cast<char>(random());
        if (auto back = document_from_json(damaged)) to_json(*back);
    }
}

} // namespace
} // namespace lk
