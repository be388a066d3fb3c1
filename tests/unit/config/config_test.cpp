// SPDX-License-Identifier: MIT
// Errors of a configuration: where, what, and what was expected. That it gives what the command line gives is
// the matter of unit/cli/config_test.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"

namespace lk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(Config, ScopesInTheirOrder) {
    const auto read = parse_config(R"(# two
[[scope]]
interfaces = ["eth0", "eth1", "eth0"]
only = true
lockdown = true

[[scope]]
gateways = ["198.51.100.7:1194/udp", "2001:db8::7"]
no-lan = false
)",
                                   "f");
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_EQ(read->scopes.size(), 2u);
    EXPECT_THAT(read->scopes[0].uplinks, ElementsAre("eth0", "eth1"));
    EXPECT_FALSE(read->scopes[0].takes_new);
    EXPECT_TRUE(read->scopes[0].policy.lockdown);
    EXPECT_THAT(read->scopes[1].uplinks, IsEmpty());
    EXPECT_TRUE(read->scopes[1].takes_new);
    EXPECT_THAT(read->scopes[1].unguarded, IsEmpty());
    EXPECT_EQ(read->scopes[1].policy.gateways.size(), 2u);
    EXPECT_FALSE(read->scopes[1].policy.no_lan);
}

TEST(Config, LockdownDocumentIsWhatTheFileWouldSay) {
    EXPECT_EQ(parse_config("[[scope]]\nlockdown = true\n", "f").value(), lockdown_document());
}

TEST(Config, ContainersByPatterns) {
    const auto rules = parse_container_rules(R"([[container]]
annotations = { "io.kubernetes.pod.namespace" = "shop", "name" = "web-*" }
gateways = ["198.51.100.7"]
errno = "EPERM"

[[container]]
id = "*"
lockdown = true

[[scope]]
lockdown = true
)",
                                             "f");
    ASSERT_TRUE(rules) << rules.error().message;
    ASSERT_EQ(rules->size(), 2u);
    const ContainerRule &shop = rules->front(), &all = rules->back();
    EXPECT_EQ(shop.policy.gateways.size(), 1u);
    EXPECT_EQ(shop.policy.refusal.str(), "EPERM");
    EXPECT_TRUE(
        shop.matches("x", {{"io.kubernetes.pod.namespace", "shop"}, {"name", "web-1"}, {"other", "y"}}));
    EXPECT_FALSE(shop.matches("x", {{"io.kubernetes.pod.namespace", "shopping"}, {"name", "web-1"}}));
    EXPECT_FALSE(shop.matches("x", {{"name", "web-1"}}));
    EXPECT_FALSE(shop.matches("x", {}));
    EXPECT_TRUE(all.matches("", {}));
    EXPECT_TRUE(parse_container_rules("", "f")->empty());
    EXPECT_FALSE(
        parse_config("[[container]]\nid = \"*\"\nlockdown = true\n", "f")); // for uplinks it says nothing
}

TEST(Config, OfContainersItSaysWhereAndWhat) {
    const struct {
        const char *text, *place, *says;
    } rows[] = {
        {"[[container]]\nlockdown = true\n", "1:1", "for which containers"},
        {"[[container]]\nid = \"*\"\n", "1:1", "gateways"},
        {"[[container]]\nid = 1\nlockdown = true\n", "2:6", "a pattern in quotes"},
        {"[[container]]\nannotations = [\"a\"]\nlockdown = true\n", "2:15", "{ \"NAME\" = \"PATTERN\" }"},
        {"[[container]]\nannotations = { a = 1 }\nlockdown = true\n", "2:21", "\"a\": the number 1"},
        {"[[container]]\nid = \"*\"\nserve = [\"tcp/80\"]\nlockdown = true\n", "3:1", "no key \"serve\""},
        {"[[container]]\nid = \"*\"\ngw = [\"198.51.100.7\"]\n", "3:1", "did you mean gateways?"},
        {"[[container]]\nid = \"*\"\ngateways = [\"vpn\"]\n", "3:13", "\"vpn\""},
        {"[container]\nid = \"*\"\n", "1:1", "[[container]]"},
        {"[[scope]]\nlockdwon = true\n", "2:1", "lockdown"},
    };
    for (const auto &row : rows) {
        const auto rules = parse_container_rules(row.text, "f");
        ASSERT_FALSE(rules) << row.text;
        EXPECT_THAT(rules.error().message, StartsWith("f:" + std::string(row.place))) << row.text;
        EXPECT_THAT(rules.error().message, HasSubstr(row.says)) << row.text;
    }
}

// Each with the place of what is wrong, the value in quotes, and what was expected.
TEST(Config, SaysWhereAndWhat) {
    const struct {
        const char *text, *place, *quotes, *says;
    } rows[] = {
        {"", "1:1", "[[scope]]", "nothing would be guarded"},
        {"# nothing\n", "1:1", "[[scope]]", "nothing would be guarded"},
        {"scope = 1\n", "1:9", "[[scope]]", "two brackets"},
        {"[scope]\nlockdown = true\n", "1:1", "[[scope]]", "two brackets"},
        {"scope = [1]\n", "1:10", "the number 1", "[[scope]]"},
        {"lockdown = true\n", "1:1", "lockdown", "[[scope]] on a line above"},
        {"[[scop]]\n", "1:3", "\"scop\"", "expected [[scope]] or [[container]] only"},
        {"[[scope]]\ngateways = [\n", "2:14", "", "no TOML"},
        {"[[scope]]\ngateways = [\"198.51.100.7\"\nlan = []\n", "3:1", "", "no TOML"},
        {"[[scope]]\nlockdown = true\nlockdown = true\n", "3:", "lockdown", "no TOML"},
        {"[[scope]]\nlockdown = true\n\n[[scope]]\nlan = []\nlan = []\n", "6:", "lan", "no TOML"},
        {"[[scope]]\nlockdwon = true\n", "2:1", "\"lockdwon\"", "did you mean lockdown?"},
        {"[[scope]]\n  gw = [\"198.51.100.7\"]\n", "2:3", "\"gw\"", "did you mean gateways?"},
        {"[[scope]]\nvpn_users = [\"105\"]\n", "2:1", "\"vpn_users\"", "did you mean vpn-users?"},
        {"[[scope]]\nfrobnicate = 1\n", "2:1", "\"frobnicate\"",
         "expected one of interfaces, only, gateways, dns"},
        {"[[scope]]\n\"a\\u001b[2Jb\" = 1\n", "2:1", "a\\x1b[2Jb", "expected one of"},
        {"[[scope]]\nlockdown = 1\n", "2:12", "the number 1",
         "lockdown: the number 1, expected true or false"},
        {"[[scope]]\nlockdown = \"yes\"\n", "2:12", "\"yes\"", "expected true or false"},
        {"[[scope]]\nonly = \"yes\"\n", "2:8", "\"yes\"", "only: \"yes\", expected true or false"},
        {"[[scope]]\ngateways = \"198.51.100.7\"\n", "2:12", "\"198.51.100.7\"", "a list in brackets"},
        {"[[scope]]\ngateways = [1]\n", "2:13", "the number 1", "ADDR[/LEN][:PORT"},
        {"[[scope]]\ngateways = [[\"198.51.100.7\"]]\n", "2:13", "a list in the list", "gateways: "},
        {"[[scope]]\ngateways = { a = 1 }\n", "2:12", "a table", "a list in brackets"},
        {"[[scope]]\ngateways = [\n  \"198.51.100.7\",\n  \"198.51.100\",\n]\n", "4:3", "\"198.51.100\"",
         "gateways: "},
        {"[[scope]]\ngateways = [\"vpn.example.com\"]\n", "2:13", "\"vpn.example.com\"",
         "gateways takes addresses"},
        {"[[scope]]\ngateways = [\"::/0\"]\n", "2:13", "\"::/0\"", "whole Internet"},
        {"[[scope]]\nvpn-mark = 16\n", "2:12", "the number 16", "VALUE[/MASK]"},
        {"[[scope]]\nvpn-mark = \"0\"\n", "2:12", "\"0\"", "vpn-mark: "},
        {"[[scope]]\nvpn-users = [105]\n", "2:14", "the number 105", "USER|UID"},
        {"[[scope]]\nvpn-users = [\"root\"]\n", "2:14", "\"root\"", "vpn-cgroup"},
        {"[[scope]]\nvpn-cgroups = [\"/\"]\n", "2:16", "\"/\"", "vpn-cgroups: "},
        {"[[scope]]\naction = \"deny\"\n", "2:10", "\"deny\"", "action: "},
        {"[[scope]]\nhook = 1.5\n", "2:8", "a number with a fraction", "auto|tcx|clsact"},
        {"[[scope]]\nhook = 2026-01-01\n", "2:8", "a date or time", "auto|tcx|clsact"},
        {"[[scope]]\ninterfaces = \"eth0\"\n", "2:14", "\"eth0\"", "device names"},
        {"[[scope]]\ninterfaces = [\"a/b\"]\n", "2:15", "\"a/b\"", "interfaces: "},
        {"[[scope]]\nbootstrap-dns = [\"198.51.100.53\"]\n", "2:18", "\"198.51.100.53\"", "bootstrap-dns: "},
        {"[[scope]]\nlan = [\"10.0.0.1/8\"]\n", "2:8", "\"10.0.0.1/8\"", "10.0.0.0/8"},
        // Of several things wrong, the first in the file.
        {"[[scope]]\nhook = 1\naction = 1\n", "2:8", "hook", "auto|tcx|clsact"},
        // Rules over more than one value: at the scope.
        {"\n[[scope]]\n", "2:1", "", "(gateways)"},
        {"[[scope]]\nlockdown = true\n[[scope]]\nstrict = true\ngateways = [\"198.51.100.7:1/udp\"]\n", "3:1",
         "", "strict lets only the VPN daemon"},
        {"[[scope]]\nlockdown = true\nsockets-for = [\"a\"]\n", "1:1", "", "only with lock-sockets"},
        // Scopes that guard nothing, and an interface in two.
        {"[[scope]]\nlockdown = true\nonly = true\n", "1:1", "", "guards nothing"},
        {"[[scope]]\nlockdown = true\n[[scope]]\nlockdown = true\n", "1:1", "", "guards nothing"},
        {"[[scope]]\nlockdown = true\ninterfaces = [\"eth0\"]\n\n[[scope]]\nlockdown = true\ninterfaces = "
         "[\"eth0\"]\n",
         "5:1", "\"eth0\"", "in scope 1 already"},
    };
    for (const auto &row : rows) {
        const Result<Document> read = parse_config(row.text, "dir/leak.toml");
        ASSERT_FALSE(read) << row.text;
        EXPECT_EQ(read.error().exit, Exit::bad_input) << row.text;
        EXPECT_THAT(read.error().message, StartsWith(std::string("dir/leak.toml:") + row.place)) << row.text;
        EXPECT_THAT(read.error().message, HasSubstr(row.quotes)) << row.text;
        EXPECT_THAT(read.error().message, HasSubstr(row.says)) << row.text;
        EXPECT_EQ(read.error().message.find("--"), std::string::npos) << read.error().message;
        EXPECT_EQ(read.error().message.find_first_of("\x1b\n"), std::string::npos) << row.text;
    }
}

TEST(Config, AHundredThousandGatewaysAndOneMore) {
    std::string text = "[[scope]]\ngateways = [\n";
    for (int index = 0; index < 100'000; ++index)
        text += "\"10." + std::to_string(index >> 16) + '.' + std::to_string((index >> 8) & 255) + '.' +
                std::to_string(index & 255) + "\",\n";
    EXPECT_TRUE(parse_config(text + "]\n", "f"));
    const auto read = parse_config(text + "\"10.9.9.9\"]\n", "f");
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("100,001"));
}

TEST(Config, FilesThatAreNone) {
    for (const char *path : {"/nonexistent/leakbpf.toml", "/"}) {
        const auto read = read_config(path);
        ASSERT_FALSE(read) << path;
        EXPECT_EQ(read.error().exit, Exit::bad_input);
        EXPECT_THAT(read.error().message, HasSubstr('"' + std::string(path) + '"'));
    }
    const auto endless = read_config("/dev/zero");
    ASSERT_FALSE(endless);
    EXPECT_THAT(endless.error().message, HasSubstr("larger than"));
}

} // namespace
} // namespace lk
