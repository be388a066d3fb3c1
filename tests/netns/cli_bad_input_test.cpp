// SPDX-License-Identifier: MIT
// Bad input, each kind with its own test: the message quotes the value, the exit code is the documented one,
// and nothing was changed, whether nothing was attached before or a policy was in force.
#include <fstream>

#include <gmock/gmock.h>

#include "base/exit_status.h"
#include "netns/cli_world.h"

using namespace lk::harness;
using lk::Exit;
using testing::HasSubstr;

namespace {

class BadInput : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        bare_ = new CliWorld("bad-bare");
        guarded_ = new CliWorld("bad-kept");
        for (CliWorld *world : {bare_, guarded_}) {
            world->plug("eth1", 2);
            world->host().ip("tuntap add dev tun0 mode tun");
        }
        const Output attached = guarded_->attach();
        ASSERT_EQ(attached.status, 0) << attached.err;
    }
    static void TearDownTestSuite() {
        delete bare_;
        delete guarded_;
    }

    using Command = std::vector<std::string>;
    static Output in(CliWorld &world, const Command &args) { return world.leakbpf(args); }

    // ARGS are refused in both worlds with this exit code and these words, and change nothing in either.
    template <typename Runner>
    static void refused_by(Runner run, Exit exit, const std::vector<std::string> &says) {
        for (CliWorld *world : {bare_, guarded_}) {
            const std::string before = world->snapshot();
            const Output output = run(*world);
            EXPECT_EQ(output.status, static_cast<int>(exit)) << output.out << output.err;
            EXPECT_EQ(output.out, "");
            EXPECT_THAT(output.err, testing::StartsWith("leakbpf: "));
            for (const std::string &words : says)
                EXPECT_THAT(output.err, HasSubstr(words));
            EXPECT_EQ(world->snapshot(), before);
        }
        EXPECT_FALSE(guarded_->leaks());
        EXPECT_TRUE(guarded_->gateway_reached());
        EXPECT_TRUE(bare_->leaks());
    }
    static void refused(const Command &args, Exit exit, const std::vector<std::string> &says) {
        refused_by([&args](CliWorld &world) { return in(world, args); }, exit, says);
    }
    static void bad(const Command &args, const std::vector<std::string> &says) {
        refused(args, Exit::bad_input, says);
    }

    // An attach that succeeds, in a world of its own, with these words in its answer.
    static void told(const Command &args, const std::vector<std::string> &says) {
        CliWorld world("bad-told");
        const Output output = world.leakbpf(args);
        EXPECT_EQ(output.status, 0) << output.err;
        for (const std::string &words : says)
            EXPECT_THAT(output.out, HasSubstr(words));
    }

    static CliWorld *bare_, *guarded_;
};
CliWorld *BadInput::bare_, *BadInput::guarded_;

} // namespace

TEST_F(BadInput, NotRoot) {
    for (const char *command : {"attach", "detach", "status", "follow", "watch"})
        refused_by(
            [command](CliWorld &world) {
                Command argv{leakbpf_binary(), "--bpffs", Sandbox::current().bpffs(), command};
                if (std::string(command) == "attach") argv.insert(argv.end(), {"eth0", "--lockdown"});
                return run(argv, {.netns = world.host().fd(), .uid = 12345});
            },
            Exit::permission, {"root", "sudo"});
}
TEST_F(BadInput, CheckNeedsNoRoot) {
    const Output output = run({leakbpf_binary(), "check", "eth0", "--gw", "198.51.100.7"},
                              {.netns = guarded_->host().fd(), .uid = 12345});
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_THAT(output.out, HasSubstr("would guard: eth0"));
}
TEST_F(BadInput, UnknownDevice) {
    bad({"attach", "eth9", "--lockdown"}, {"\"eth9\"", "no device", "eth0"});
}
TEST_F(BadInput, LoopbackDevice) {
    bad({"attach", "lo", "--lockdown"}, {"\"lo\"", "loopback", "eth0"});
}
TEST_F(BadInput, TunnelDevice) {
    bad({"attach", "tun0", "--lockdown"}, {"\"tun0\"", "tunnel", "eth0"});
}
TEST_F(BadInput, TunnelDeviceByName) {
    bad({"attach", "eth0", "--tunnel", "eth0", "--lockdown"}, {"\"eth0\"", "--tunnel"});
}
TEST_F(BadInput, SecondDeviceUnknown) {
    bad({"attach", "eth0", "eth9", "--lockdown"}, {"\"eth9\""});
}
TEST_F(BadInput, MalformedGateway) {
    bad({"attach", "eth0", "--gw", "198.51.100"}, {"\"198.51.100\"", "expected"});
    bad({"attach", "eth0", "--gw", "198.51.100.7:"}, {"198.51.100.7:"});
}
TEST_F(BadInput, GatewayName) {
    bad({"attach", "eth0", "--gw", "vpn.example.com"}, {"\"vpn.example.com\"", "resolve"});
}
TEST_F(BadInput, ZeroLengthGateway) {
    bad({"attach", "eth0", "--gw", "0.0.0.0/0"}, {"0.0.0.0/0"});
    bad({"attach", "eth0", "--gw", "::/0"}, {"::/0"});
}
TEST_F(BadInput, EmptyGateway) {
    bad({"attach", "eth0", "--gw", ""}, {"--gw: ", "is empty"});
}
TEST_F(BadInput, Port0) {
    bad({"attach", "eth0", "--gw", "198.51.100.7:0"}, {"\"0\"", "65535"});
}
TEST_F(BadInput, Port65536) {
    bad({"attach", "eth0", "--gw", "198.51.100.7:65536"}, {"\"65536\"", "65535"});
}
TEST_F(BadInput, OtherProtocol) {
    bad({"attach", "eth0", "--gw", "198.51.100.7:1194/sctp"}, {"sctp", "tcp"});
}
TEST_F(BadInput, Ipv6WithPortWithoutBrackets) {
    bad({"attach", "eth0", "--gw", "2001:db8::7:51820/udp"},
        {"\"2001:db8::7:51820\"", "[2001:db8::7]:51820/udp"});
}
TEST_F(BadInput, UnknownUser) {
    bad({"attach", "eth0", "--vpn-user", "no-such-user"}, {"\"no-such-user\""});
}
TEST_F(BadInput, Uid0) {
    bad({"attach", "eth0", "--vpn-user", "0"}, {"\"0\""});
    bad({"attach", "eth0", "--vpn-user", "root"}, {"\"root\""});
}
TEST_F(BadInput, Uid65534) {
    bad({"attach", "eth0", "--vpn-user", "65534"}, {"\"65534\""});
    bad({"attach", "eth0", "--vpn-user", "nobody"}, {"\"nobody\""});
}
TEST_F(BadInput, PrefixWithHostBits) {
    bad({"attach", "eth0", "--gw", "198.51.100.7/24"}, {"198.51.100.7/24", "198.51.100.0/24"});
    bad({"attach", "eth0", "--lockdown", "--lan", "10.0.0.1/8"}, {"10.0.0.1/8", "10.0.0.0/8"});
}
TEST_F(BadInput, NothingToAllow) {
    bad({"attach", "eth0"}, {"--gw", "--lockdown"});
}
TEST_F(BadInput, StrictWithoutUserCgroupOrMark) {
    bad({"attach", "eth0", "--strict", "--gw", "198.51.100.7:1194/udp"},
        {"--strict", "--vpn-user", "--vpn-cgroup", "--vpn-mark"});
}
TEST_F(BadInput, UnknownOption) {
    bad({"attach", "eth0", "--lockdown", "--frob"}, {"\"--frob\""});
}
TEST_F(BadInput, UnknownCommand) {
    bad({"atach"}, {"\"atach\""});
}
TEST_F(BadInput, UnknownCgroup) {
    bad({"attach", "eth0", "--vpn-cgroup", "no/such/cgroup"}, {"no/such/cgroup\"", "expected a cgroup"});
}
TEST_F(BadInput, UnknownNamespace) {
    bad({"--netns", "lk-none", "attach", "eth0", "--lockdown"}, {"\"lk-none\""});
}
TEST_F(BadInput, DetachOfWhatIsNotGuarded) {
    const std::string before = guarded_->snapshot();
    const Output output = guarded_->leakbpf({"detach", "eth1"});
    EXPECT_EQ(output.status, static_cast<int>(Exit::bad_input));
    EXPECT_THAT(output.err, HasSubstr("\"eth1\" is not guarded; guarded are: eth0"));
    EXPECT_EQ(guarded_->snapshot(), before);
}
TEST_F(BadInput, NothingAttached) {
    for (const Command &args : {Command{"detach"}, {"detach", "eth0"}, {"follow"}, {"watch"}}) {
        const Output output = bare_->leakbpf(args);
        EXPECT_EQ(output.status, static_cast<int>(Exit::not_attached)) << output.err;
        EXPECT_THAT(output.err, HasSubstr("nothing is attached"));
    }
    EXPECT_EQ(bare_->leakbpf({"status"}).status, static_cast<int>(Exit::not_attached));
    EXPECT_EQ(bare_->leakbpf({}).status, static_cast<int>(Exit::not_attached));
    EXPECT_EQ(bare_->leakbpf({"detach", "--all"}).status, 0);
}
TEST_F(BadInput, NoCgroup2) {
    refused_by(
        [](CliWorld &world) {
            return run({leakbpf_binary(), "--bpffs", Sandbox::current().bpffs(), "--cgroup-root", "/proc",
                        "attach", "eth0", "--lockdown"},
                       {.netns = world.host().fd()});
        },
        Exit::bad_input, {"\"/proc\"", "cgroup2"});
}
TEST_F(BadInput, CgroupNamespaceWithoutARoot) {
    refused_by(
        [](CliWorld &world) {
            return run(
                {leakbpf_binary(), "--bpffs", Sandbox::current().bpffs(), "attach", "eth0", "--lockdown"},
                {.netns = world.host().fd()});
        },
        Exit::unsupported, {"--cgroup-root"});
}
TEST_F(BadInput, NoBpffs) {
    refused_by(
        [](CliWorld &world) {
            return run({leakbpf_binary(), "--bpffs", "/tmp", "--cgroup-root",
                        Sandbox::current().cgroup_root(), "attach", "eth0", "--lockdown"},
                       {.netns = world.host().fd()});
        },
        Exit::unsupported, {"\"/tmp\"", "mount -t bpf"});
}
TEST_F(BadInput, AHundredThousandAndOneGateways) {
    refused_by(
        [](CliWorld &world) {
            // More words than a stack of the usual size takes.
            const std::string script =
                "ulimit -s unlimited; exec \"$@\" attach eth0 "
                "$(seq 0 100000 | awk '{printf \"--gw 10.%d.%d.%d \", $1/65536, ($1/256)%256, $1%256}')";
            return run({"sh", "-c", script, "sh", leakbpf_binary(), "--bpffs", Sandbox::current().bpffs(),
                        "--cgroup-root", Sandbox::current().cgroup_root()},
                       {.netns = world.host().fd(), .timeout = 60s});
        },
        Exit::bad_input, {"100,001", "100,000"});
}

// From here on: what is not asked for is left out, and said.
TEST_F(BadInput, PublicLanThatWasNotAskedFor) {
    CliWorld world("bad-lan");
    world.host().ip("addr add 203.0.113.2/24 dev eth0");
    const Output output = world.attach();
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_THAT(output.out, HasSubstr("203.0.113.0/24"));
    EXPECT_FALSE(world.leaks()); // 203.0.113.9 is on-link now
    EXPECT_TRUE(world.passes("10.7.1.1"));
}
TEST_F(BadInput, ZeroLengthLanThatWasNotAskedFor) {
    CliWorld world("bad-lan0");
    world.host().ip("addr add 10.99.0.1/0 dev eth0");
    const Output output = world.attach();
    EXPECT_EQ(output.status, 0) << output.err;
    EXPECT_THAT(output.out, HasSubstr("/0"));
    EXPECT_FALSE(world.leaks());
}
TEST_F(BadInput, ResolverOnTheLan) {
    told({"attach", "eth0", "--gw", "198.51.100.7", "--dns", "10.7.1.1"}, {"10.7.1.1", "notice: "});
}
