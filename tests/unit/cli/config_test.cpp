// SPDX-License-Identifier: MIT
// A configuration gives the policy that the command line gives, setting by setting.
#include <CLI/CLI.hpp>
#include <gtest/gtest.h>

#include <map>

#include "cli/policy_options.h"
#include "config/config.h"

namespace lk {
namespace {

// What stands for each setting: words for the command line, and in the configuration the same words.
struct Sample {
    std::vector<std::string> words;
    std::vector<std::string> with = {"--gw", "198.51.100.7"}; // what it needs to be valid
    std::string with_toml = "gateways = [\"198.51.100.7\"]\n";
};

const std::map<std::string, Sample> &samples() {
    static const Sample daemon{{}, {"--vpn-user", "105"}, "vpn-users = [\"105\"]\n"};
    static const auto on = [](std::vector<std::string> words, Sample base = {}) {
        base.words = std::move(words);
        return base;
    };
    static const std::map<std::string, Sample> rows{
        {"gw",
         on({"198.51.100.9:1194/udp", "[2001:db8::7]:51820/udp", "192.0.2.0/24/esp", "198.51.100.9:1194/udp"},
            daemon)},
        {"dns", on({"10.42.0.1", "[2001:db8::53]:5353", "10.42.0.1"})},
        {"bootstrap-dns", on({"198.51.100.53=B.example,a.example", "2001:db8::5=c.example"})},
        {"serve", on({"tcp/22@203.0.113.0/24", "udp/4433", "tcp/22@203.0.113.0/24"})},
        {"vpn-user", on({"107", "daemon", "107"})},
        {"vpn-cgroup", on({"system.slice/vpn.service", "vpn.slice"})},
        {"vpn-mark", on({"0x10/0xff"})},
        {"lan", on({"100.64.0.0/10", "fd00::/8"})},
        {"no-lan", on({""})},
        {"lan-names", on({""})},
        {"no-multicast", on({""})},
        {"nat64", on({"64:ff9b::/96"})},
        {"tunnel", on({"wg9", "tun7"})},
        {"inside", on({"vnet0"})},
        {"pppoe", on({""})},
        {"strict", on({""}, daemon)},
        {"lock-sockets", on({""})},
        {"sockets-for", on({"tcpdump", "arping"},
                           {{}, {"--lockdown", "--lock-sockets"}, "lockdown = true\nlock-sockets = true\n"})},
        {"action", on({"drop"})},
        {"hook", on({"clsact"})},
        {"lockdown", on({""}, daemon)},
    };
    return rows;
}

AttachRequest by_command_line(std::vector<std::string> words) {
    CLI::App app;
    PolicyOptions options;
    add_policy_options(app, options);
    std::ranges::reverse(words);
    app.parse(words);
    const auto made = to_request(options);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : AttachRequest{};
}

Scope by_configuration(const std::string &text) {
    const auto made = parse_config(text, "test.toml");
    EXPECT_TRUE(made) << made.error().message << '\n' << text;
    return made ? made->scopes.at(0) : Scope{};
}

std::string toml(const Setting &setting, const std::vector<std::string> &words) {
    const auto quoted = [](const std::string &word) { return '"' + word + '"'; };
    const std::string begin = std::string(setting.key) + " = ";
    if (setting.kind == Setting::Kind::flag) return begin + "true\n";
    if (setting.kind == Setting::Kind::word) return begin + quoted(words.at(0)) + '\n';
    std::string list;
    for (const std::string &word : words)
        list += quoted(word) + ", ";
    return begin + '[' + list + "]\n";
}

std::vector<std::string> options(const Setting &setting, const std::vector<std::string> &words) {
    std::vector<std::string> line;
    for (const std::string &word : words) {
        line.push_back(std::string("--") + setting.option);
        if (setting.kind != Setting::Kind::flag) line.push_back(word);
    }
    return line;
}

TEST(ConfigAndCommandLine, EachSettingIsTheSame) {
    for (const Setting &setting : settings()) {
        if (!setting.for_uplinks) continue;
        ASSERT_TRUE(samples().contains(setting.option)) << setting.option << ": add a sample of it here";
        const Sample &sample = samples().at(setting.option);
        auto line = sample.with;
        const AttachRequest without = by_command_line(line);
        const auto words = options(setting, sample.words);
        line.insert(line.end(), words.begin(), words.end());
        const AttachRequest asked = by_command_line(line);
        const Scope scope = by_configuration("[[scope]]\n" + sample.with_toml + toml(setting, sample.words));
        EXPECT_EQ(scope.policy, asked.policy) << setting.option;
        EXPECT_NE(scope.policy, without.policy) << setting.option << " changes nothing";
    }
}

TEST(ConfigAndCommandLine, AllTogetherAndTheScope) {
    std::vector<std::string> line{"eth0", "eth1", "--only"};
    std::string text = "[[scope]]\ninterfaces = [\"eth0\", \"eth1\"]\nonly = true\n";
    for (const Setting &setting : settings()) {
        if (std::string(setting.option) == "lockdown" || !setting.for_uplinks) continue; // allows no gateway
        const auto words = options(setting, samples().at(setting.option).words);
        line.insert(line.end(), words.begin(), words.end());
        text += toml(setting, samples().at(setting.option).words);
    }
    const AttachRequest asked = by_command_line(line);
    const Scope scope = by_configuration(text);
    EXPECT_EQ(scope.policy, asked.policy);
    EXPECT_EQ(scope.uplinks, asked.interfaces);
    EXPECT_EQ(scope.takes_new, !asked.only);
}

// What is false in the file, and an empty list, is what nobody said.
TEST(ConfigAndCommandLine, FalseAndEmptyAreTheDefault) {
    std::string text = "[[scope]]\ninterfaces = []\nonly = false\n";
    for (const Setting &setting : settings()) {
        if (setting.kind == Setting::Kind::flag)
            text += std::string(setting.key) + " = " +
                    (std::string(setting.option) == "lockdown" ? "true\n" : "false\n");
        if (setting.kind == Setting::Kind::list) text += std::string(setting.key) + " = []\n";
    }
    EXPECT_EQ(by_configuration(text).policy, by_command_line({"--lockdown"}).policy);
}

TEST(ConfigAndCommandLine, NamesAreGivenOnce) {
    for (const Setting &one : settings())
        for (const Setting &other : settings()) {
            EXPECT_TRUE(&one == &other || std::string(one.option) != other.option) << one.option;
            EXPECT_TRUE(&one == &other || std::string(one.key) != other.key) << one.key;
        }
}

} // namespace
} // namespace lk
