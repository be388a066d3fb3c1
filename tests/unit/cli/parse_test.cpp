// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/cli.h"
#include "cli/policy_options.h"

namespace lk {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> words(const std::string &line) {
    std::istringstream stream(line);
    std::vector<std::string> split;
    for (std::string word; stream >> word;)
        split.push_back(word == "''" ? "" : word);
    return split;
}

TEST(CommandLine, Commands) {
    const struct {
        const char *line, *command;
    } rows[] = {
        {"", "status"},
        {"--json", "status"},
        {"status", "status"},
        {"attach --lockdown", "attach"},
        {"attach eth0 eth1 --gw 198.51.100.7", "attach"},
        {"attach --gw 198.51.100.7 eth0", "attach"},
        {"attach status --lockdown", "attach"}, // a device may have the name of a command
        {"detach", "detach"},
        {"detach eth0 eth1", "detach"},
        {"detach --all", "detach"},
        {"attach --cgroup a.service --cgroup container:0123456789ab --gw 198.51.100.7", "attach"},
        {"attach --cgroup a --gw 198.51.100.7 --errno EHOSTUNREACH", "attach"},
        {"detach --cgroup a.service", "detach"},
        {"detach --cgroup --all", "detach"},
        {"detach --cgroup --gone", "detach"},
        {"run --gw 198.51.100.7 --dns 10.42.0.1 --unit x.scope -- curl -x --gw y", "run"},
        {"oci-hook --require-policy", "oci-hook"},
        {"oci-hook --config f", "oci-hook"},
        {"status --cgroups", "status"},
        {"status --pid 1", "status"},
        {"keep", "keep"},
        {"portal 5m", "portal"},
        {"portal 1800", "portal"},
        {"portal --close", "portal"},
        {"portal 5m --router 203.0.113.1 --router fe80::1", "portal"},
        {"attach --lockdown --try 60", "attach"},
        {"attach --lockdown --try 2m", "attach"},
        {"follow", "follow"},
        {"watch", "watch"},
        {"check --gw 198.51.100.7:1194/udp", "check"},
        {"apply", "apply"},
        {"apply --config /nonexistent --or-lockdown --no-follow", "apply"}, // it is read when it runs
        {"resolve vpn.example.org -4 --server [2001:db8::53]:5353 --timeout 60", "resolve"},
        {"--netns lk-x --bpffs /b --cgroup-root /c check --lockdown", "check"},
    };
    for (const auto &row : rows) {
        const Result<Invocation> parsed = parse_command_line(words(row.line));
        ASSERT_TRUE(parsed) << row.line << ": " << parsed.error().message;
        EXPECT_EQ(parsed->command, row.command) << row.line;
        EXPECT_TRUE(parsed->run) << row.line;
    }
}

TEST(CommandLine, GlobalOptions) {
    const auto parsed = parse_command_line(words("--netns lk-x --bpffs /b --cgroup-root /c --json status"));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->globals.netns, "lk-x");
    EXPECT_EQ(parsed->globals.bpffs, "/b");
    EXPECT_EQ(parsed->globals.cgroup_root, "/c");
    EXPECT_TRUE(parsed->globals.json);
    EXPECT_EQ(parse_command_line({})->globals.bpffs, "/sys/fs/bpf");
}

TEST(CommandLine, HelpAndVersion) {
    for (const char *line : {"--help", "-h", "attach --help", "watch -h"}) {
        const auto parsed = parse_command_line(words(line));
        ASSERT_TRUE(parsed) << line;
        EXPECT_FALSE(parsed->run);
        EXPECT_THAT(parsed->text, HasSubstr("--help"));
    }
    EXPECT_THAT(parse_command_line({"attach", "--help"})->text, HasSubstr("--vpn-cgroup"));
    EXPECT_THAT(parse_command_line({"--version"})->text, testing::MatchesRegex("leakbpf [0-9.]+\n"));
}

// Each with the word that is wrong, in quotes, and what was expected.
TEST(CommandLine, BadInput) {
    const struct {
        const char *line, *quotes, *says;
    } rows[] = {
        {"atach", "\"atach\"", "no command"},
        {"--frob", "\"--frob\"", "no option"},
        {"status --frob", "\"--frob\"", "no option of leakbpf status"},
        {"status eth0", "\"eth0\"", "no argument of leakbpf status"},
        {"follow --json", "\"--json\"", "no option of leakbpf follow"},
        {"attach --lockdown --netns x", "\"--netns\"", "no option of leakbpf attach"},
        {"attach --strict=1 --gw 198.51.100.7", "strict", "--help"},
        {"attach --gw", "--gw", "--help"},
        {"attach --action refuse --action drop --lockdown", "--action", "--help"},
        {"detach --all eth0", "", "not both"},
        {"attach --lockdown --try 4", "\"4\"", "--try: "},
        {"attach --lockdown --try 3601", "\"3601\"", "5 to 3600 seconds"},
        {"attach --lockdown --try soon", "\"soon\"", "--try: "},
        {"attach --lockdown --try -5", "\"-5\"", "--try: "},
        {"attach --lockdown --try ''", "\"\"", "--try: "},
        {"attach --lockdown --try 60 --no-follow", "--no-follow", "--try"},
        {"portal", "", "--close"},
        {"portal 5m --close", "", "--close"},
        {"portal 31m", "\"31m\"", "5 to 1800 seconds"},
        {"portal 1801", "\"1801\"", "5 to 1800 seconds"},
        {"portal 4s", "\"4s\"", "5 to 1800 seconds"},
        {"portal soon", "\"soon\"", "such as"},
        {"portal 5m --router here", "\"here\"", "--router: "},
        {"portal 5m --router 10.1.0.1/24", "\"10.1.0.1/24\"", "--router: "},
        {"portal --close --router 10.1.0.1", "", "--router and --close"},
        {"keep eth0", "\"eth0\"", "no argument of leakbpf keep"},
        {"check --lockdown --try 60", "\"--try\"", "no option of leakbpf check"},
        {"attach", "", "--gw"},
        {"attach eth0", "", "--lockdown"},
        {"check", "", "--gw"},
        {"check --config /nonexistent/leakbpf.toml", "\"/nonexistent/leakbpf.toml\"", "No such file"},
        {"check eth0 --config /dev/null", "--config", "other options"},
        {"apply eth0", "\"eth0\"", "no argument of leakbpf apply"},
        {"apply --require frob", "\"frob\"", "--require: "},
        {"attach --strict --gw 198.51.100.7:1194/udp", "", "--vpn-user"},
        {"attach --gw vpn.example.com", "\"vpn.example.com\"", "resolve"},
        {"attach --gw ''", "--gw: ", "is empty"},
        {"attach --gw 198.51.100", "\"198.51.100\"", "--gw: "},
        {"attach --gw 198.51.100.7/0", "/0", "--gw: "},
        {"attach --gw 0.0.0.0/0", "0.0.0.0/0", "--gw: "},
        {"attach --gw ::/0", "::/0", "--gw: "},
        {"attach --gw 198.51.100.7/33", "33", "--gw: "},
        {"attach --gw 198.51.100.7/24", "198.51.100.7/24", "198.51.100.0/24"},
        {"attach --gw 198.51.100.7:0", "\"0\"", "65535"},
        {"attach --gw 198.51.100.7:65536", "\"65536\"", "65535"},
        {"attach --gw 198.51.100.7:1194/sctp", "sctp", "udp"},
        {"attach --gw 2001:db8::7:51820/udp", "\"2001:db8::7:51820\"", "[2001:db8::7]:51820/udp"},
        {"attach --gw [2001:db8::7", "[2001:db8::7", "--gw: "},
        {"attach --lockdown --dns 10.42.0.1:0", "\"0\"", "--dns: "},
        {"attach --lockdown --dns dns.example", "\"dns.example\"", "--dns takes addresses"},
        {"attach --lockdown --bootstrap-dns 198.51.100.53", "\"198.51.100.53\"", "--bootstrap-dns: "},
        {"attach --lockdown --bootstrap-dns ns.example=a.b", "\"ns.example\"", "--bootstrap-dns takes"},
        {"attach --lockdown --bootstrap-dns 198.51.100.53=a..b", "\"a..b\"", "--bootstrap-dns: "},
        {"attach --lockdown --serve ssh", "\"ssh\"", "--serve: "},
        {"attach --lockdown --serve tcp/22", "tcp/22", "--lockdown"},
        {"attach --lockdown --bootstrap-dns 198.51.100.53=a.b", "198.51.100.53=a.b", "--lockdown"},
        {"attach --vpn-user no-such-user-here", "\"no-such-user-here\"", "--vpn-user: "},
        {"attach --vpn-user 0", "\"0\"", "--vpn-user: "},
        {"attach --vpn-user root", "\"root\"", "--vpn-user: "},
        {"attach --vpn-user 65534", "\"65534\"", "--vpn-user: "},
        {"attach --vpn-user nobody", "\"nobody\"", "--vpn-user: "},
        {"attach --vpn-cgroup /", "\"/\"", "--vpn-cgroup: "},
        {"attach --lockdown --vpn-mark 0", "\"0\"", "--vpn-mark: "},
        {"attach --lockdown --vpn-mark ''", "\"\"", "--vpn-mark: "},
        {"attach --lockdown --vpn-mark 0x10/0x1", "0x10/0x1", "--vpn-mark: "},
        {"attach --lockdown --lan 10.0.0.1/8", "10.0.0.1/8", "10.0.0.0/8"},
        {"attach --lockdown --lan 10.0.0.0/8/8", "10.0.0.0/8/8", "--lan: "},
        {"attach --lockdown --nat64 64:ff9b::/64", "\"64:ff9b::/64\"", "length 96"},
        {"attach --lockdown --nat64 198.51.100.0/24", "\"198.51.100.0/24\"", "length 96"},
        {"attach --lockdown --action deny", "\"deny\"", "--action: "},
        {"attach --lockdown --hook xdp", "\"xdp\"", "--hook: "},
        {"attach --lockdown --tunnel averyveryverylongname", "\"averyveryverylongname\"", "--tunnel: "},
        {"attach --lockdown --inside a/b", "\"a/b\"", "--inside: "},
        {"attach --lockdown a/b", "\"a/b\"", "IFACE: "},
        {"attach --cgroup a --gw 198.51.100.7 eth0", "IFACE", "for a cgroup"},
        {"attach --cgroup a --gw 198.51.100.7 --serve tcp/80", "--serve", "for a cgroup"},
        {"attach --cgroup a --gw 198.51.100.7 --no-multicast", "--no-multicast", "for a cgroup"},
        {"attach --cgroup a --gw 198.51.100.7 --try 60", "--try", "--cgroup"},
        {"attach --cgroup a", "--gw", ""},
        {"attach --cgroup a --gw 198.51.100.7 --errno EIO", "\"EIO\"", "--errno: "},
        {"attach --gw 198.51.100.7 --errno EPERM", "--errno", "--cgroup"},
        {"detach --cgroup a eth0", "uplinks", "cgroups"},
        {"detach --cgroup --all --cgroup a", "--all", "cgroups"},
        {"run --gw 198.51.100.7", "COMMAND", "run --help"},
        {"run --gw vpn -- true", "\"vpn\"", "--gw takes"},
        {"run --gw 198.51.100.7 --unit a/b -- true", "\"a/b\"", "--unit: "},
        {"run --gw 198.51.100.7 --pppoe -- true", "--pppoe", "option of leakbpf run"},
        {"status --pid 0", "\"0\"", "--pid: "},
        {"status --pid x", "\"x\"", "--pid: "},
        {"resolve", "NAME", "resolve --help"},
        {"resolve a..b", "\"a..b\"", "no host name"},
        {"resolve 198.51.100.7", "\"198.51.100.7\"", "an address already"},
        {"resolve vpn.example --server ns.example", "\"ns.example\"", "--server takes addresses"},
        {"resolve vpn.example --server 10.0.0.1:0", "\"0\"", "--server: "},
        {"resolve vpn.example --server 224.0.0.251", "\"224.0.0.251\"", "--server: "},
        {"resolve vpn.example --vpn-user root", "\"root\"", "--vpn-user: "},
        {"resolve vpn.example --timeout 0", "\"0\"", "1 to 60 seconds"},
        {"resolve vpn.example --timeout 61", "\"61\"", "--timeout: "},
        {"resolve vpn.example other.example", "\"other.example\"", "no argument of leakbpf resolve"},
    };
    for (const auto &row : rows) {
        const Result<Invocation> parsed = parse_command_line(words(row.line));
        ASSERT_FALSE(parsed) << row.line;
        // All of leakbpf's own: the exit status is the command's.
        const bool runs = std::string_view(row.line).starts_with("run ");
        EXPECT_EQ(parsed.error().exit, runs ? Exit::not_run : Exit::bad_input) << row.line;
        EXPECT_THAT(parsed.error().message, HasSubstr(row.quotes)) << row.line;
        EXPECT_THAT(parsed.error().message, HasSubstr(row.says)) << row.line;
    }
}

// The request that a command line stands for.
Result<AttachRequest> request_of(const std::string &line) {
    CLI::App app;
    PolicyOptions options;
    add_policy_options(app, options);
    auto arguments = words(line);
    std::ranges::reverse(arguments);
    app.parse(arguments);
    return to_request(options);
}

TEST(PolicyOptions, EachReachesThePolicy) {
    const auto made = request_of(
        "eth0 --gw 198.51.100.7:1194/udp --gw [2001:db8::7]:51820/udp eth1 --dns 10.42.0.1 --dns "
        "[2001:db8::53]:53 --bootstrap-dns 198.51.100.53=B.example,a.example --serve udp/4433 --serve "
        "tcp/22@::/0 --vpn-user 105 --vpn-cgroup "
        "system.slice/vpn.service --vpn-mark 0x10/0xff --lan "
        "100.64.0.0/10 --no-lan --lan-names --no-multicast --nat64 64:ff9b::/96 --tunnel wg9 --inside vnet0 "
        "--pppoe --only --strict --action drop --hook clsact --lock-sockets --sockets-for tcpdump");
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_THAT(made->interfaces, ElementsAre("eth0", "eth1"));
    EXPECT_TRUE(made->only);
    EXPECT_TRUE(made->follow);
    const Policy &policy = made->policy;
    ASSERT_EQ(policy.gateways.size(), 2u);
    ASSERT_EQ(policy.resolvers.size(), 2u);
    EXPECT_EQ(policy.resolvers[1].str(), Resolver::parse("2001:db8::53").value().str());
    ASSERT_EQ(policy.bootstrap.size(), 2u);
    EXPECT_EQ(policy.bootstrap[1].str(), "198.51.100.53=b.example");
    ASSERT_EQ(policy.services.size(), 2u);
    EXPECT_EQ(policy.services[0].str(), "tcp/22@::/0");
    EXPECT_EQ(policy.vpn_users.at(0).uid, 105u);
    EXPECT_EQ(policy.vpn_cgroups.at(0).path, "system.slice/vpn.service");
    EXPECT_EQ(policy.vpn_mark->value, 0x10u);
    EXPECT_EQ(policy.vpn_mark->mask, 0xffu);
    EXPECT_EQ(policy.lan.at(0).str(), "100.64.0.0/10");
    EXPECT_EQ(policy.nat64.at(0).str(), "64:ff9b::/96");
    EXPECT_THAT(policy.tunnels, ElementsAre("wg9"));
    EXPECT_THAT(policy.insides, ElementsAre("vnet0"));
    EXPECT_TRUE(policy.no_lan && policy.lan_names && policy.no_multicast && policy.pppoe && policy.strict);
    EXPECT_TRUE(policy.lock_sockets);
    EXPECT_THAT(policy.sockets_for, ElementsAre("tcpdump"));
    EXPECT_FALSE(policy.lockdown);
    EXPECT_EQ(policy.action, lk::Action::drop);
    EXPECT_EQ(policy.hook, HookKind::clsact);
}

TEST(PolicyOptions, BracketsAreNoList) {
    // CLI11 would take "[a,b]" apart.
    const auto made = request_of("--gw [198.51.100.7,198.51.100.8]");
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message, HasSubstr("[198.51.100.7,198.51.100.8]"));
}

TEST(PolicyOptions, AHundredThousandGatewaysAndOneMore) {
    std::string line;
    for (int index = 0; index < 100'001; ++index)
        line += " --gw 10." + std::to_string(index >> 16) + '.' + std::to_string((index >> 8) & 255) + '.' +
                std::to_string(index & 255);
    const auto made = request_of(line);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().exit, Exit::bad_input);
    EXPECT_THAT(made.error().message, HasSubstr("100,001"));
    EXPECT_THAT(made.error().message, HasSubstr("100,000"));
    line.resize(line.rfind(" --gw"));
    EXPECT_TRUE(request_of(line));
}

} // namespace
} // namespace lk
