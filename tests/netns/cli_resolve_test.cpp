// SPDX-License-Identifier: MIT
// `leakbpf resolve` against a real server beyond the uplink: as the VPN daemon it gets its answer with the
// filter on, in clear sight of the wire, and the same query by somebody else does not leave.
#include <netinet/in.h>

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/exit_status.h"
#include "harness/name_server.h"
#include "harness/sandbox.h"
#include "harness/world.h"

using namespace lk;
using namespace lk::harness;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

const Ip server4 = Ip::of("203.0.113.9"), server6 = Ip::of("2001:db8:f::9");

class Resolve : public testing::Test {
  protected:
    Resolve()
        : world_({.name = "res", .container = false, .responder = false}),
          log_(fmt::format("{}/asked-{}", Sandbox::current().dir(),
                           testing::UnitTest::GetInstance()->current_test_info()->name())),
          server_(start_name_server(world_.isp(), {server4, server6}, log_)) {}
    ~Resolve() override { world_.leakbpf({"detach", "--all"}); }

    void attach(std::vector<std::string> more) {
        more.insert(more.begin(), {"eth0", "--no-follow"});
        world_.attach(more);
    }

    Output resolve(std::vector<std::string> words) {
        words.insert(words.begin(), "resolve");
        return world_.leakbpf(words);
    }

    // Queries for NAME on the uplink's wire since the last call.
    std::size_t on_the_wire(const std::string &name) {
        world_.capture().settle();
        Mark mark;
        mark.bytes(dns_name(name));
        const std::size_t since = since_;
        since_ = world_.capture().position();
        return world_.capture().count(mark, since);
    }

    // A query by another user; true if it was answered.
    bool user_asks(const Ip &server, const std::string &name) {
        return as({.netns = world_.host().fd(), .uid = user_uid},
                  [&] {
                      const Fd fd(socket(server.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0));
                      const timeval limit{1, 0};
                      setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
                      const SockAddr to(server, 53);
                      const Bytes query = dns_query(name, 1);
                      char data[512];
                      if (sendto(fd.get(), query.data(), query.size(), 0, to.get(), to.length) < 0 ||
                          recv(fd.get(), data, sizeof(data), 0) < 0)
                          throw std::runtime_error(strerror(errno));
                  })
            .empty();
    }

    World world_;
    std::string log_;
    std::unique_ptr<Helper> server_;
    std::size_t since_ = 0;
};

int code(Exit exit) {
    return static_cast<int>(exit);
}

TEST_F(Resolve, WithoutAFilter) {
    const Output both = resolve({"vpn.example.org", "--server", "203.0.113.9"});
    EXPECT_EQ(both.status, 0) << both.err;
    EXPECT_EQ(both.out, "198.51.100.7\n2001:db8:100::7\n");
    EXPECT_EQ(both.err, "");
    EXPECT_THAT(asked_of(log_), ElementsAre("udp vpn.example.org A", "udp vpn.example.org AAAA"));
    EXPECT_EQ(resolve({"vpn.example.org", "-4", "--server", "[2001:db8:f::9]:53"}).out, "198.51.100.7\n");
    EXPECT_EQ(resolve({"VPN.example.org", "-6", "--server", "2001:db8:f::9"}).out, "2001:db8:100::7\n");
    EXPECT_EQ(resolve({"four.example.org", "-4", "-6", "--server", "203.0.113.9"}).out, "198.51.100.7\n");
    EXPECT_EQ(resolve({"alias.example.org", "-4", "--server", "203.0.113.9"}).out, "198.51.100.7\n");

    const Output json = world_.leakbpf({"--json", "resolve", "vpn.example.org", "--server", "203.0.113.9"});
    const auto answer = nlohmann::json::parse(json.out);
    EXPECT_EQ(answer["name"], "vpn.example.org");
    EXPECT_EQ(answer["server"], "203.0.113.9");
    EXPECT_EQ(answer["addresses"], nlohmann::json::array({"198.51.100.7", "2001:db8:100::7"}));
    EXPECT_TRUE(answer["verdict"].is_null());
}

TEST_F(Resolve, TruncatedIsAskedAgainByTcp) {
    const Output big = resolve({"big.example.org", "-4", "--server", "203.0.113.9"});
    EXPECT_EQ(big.status, 0) << big.err;
    EXPECT_EQ(std::count(big.out.begin(), big.out.end(), '\n'), 40);
    EXPECT_THAT(asked_of(log_), ElementsAre("tcp big.example.org A", "udp big.example.org A"));
}

TEST_F(Resolve, ExitCodesWithoutAnswer) {
    const auto ask = [&](const char *name, const char *server) {
        const Output output = resolve({name, "--server", server, "--timeout", "1"});
        EXPECT_EQ(output.out, "") << name;
        return output;
    };
    const Output none = ask("none.example.org", "203.0.113.9");
    EXPECT_EQ(none.status, code(Exit::no_such_name));
    EXPECT_THAT(none.err, HasSubstr("there is no name \"none.example.org\", says 203.0.113.9"));
    const Output bare = ask("bare.example.org", "203.0.113.9");
    EXPECT_EQ(bare.status, code(Exit::no_such_name));
    EXPECT_THAT(bare.err, HasSubstr("has no address"));
    const Output fail = ask("fail.example.org", "203.0.113.9");
    EXPECT_EQ(fail.status, code(Exit::no_answer));
    EXPECT_THAT(fail.err, HasSubstr("SERVFAIL"));
    const Output silent = ask("silent.example.org", "203.0.113.9");
    EXPECT_EQ(silent.status, code(Exit::no_answer));
    EXPECT_THAT(silent.err, HasSubstr("did not answer by UDP in time"));
    const Output refused = ask("vpn.example.org", "203.0.113.10"); // nobody listens there
    EXPECT_EQ(refused.status, code(Exit::no_answer));
    EXPECT_THAT(refused.err, HasSubstr("was refused"));
    EXPECT_EQ(ask("vpn.example.org", "ns.example.org").status, code(Exit::bad_input));
    EXPECT_THAT(resolve({"vpn.example.org"}).err, HasSubstr("name one with --server"));
}

TEST_F(Resolve, AsTheVpnUser) {
    attach({"--vpn-user", std::to_string(vpn_uid)});
    for (const Ip &server : {server4, server6}) {
        on_the_wire("vpn.example.org");
        const Output found = resolve({"vpn.example.org", "--server", server.str()});
        EXPECT_EQ(found.status, 0) << found.err;
        EXPECT_EQ(found.out, "198.51.100.7\n2001:db8:100::7\n") << found.err;
        EXPECT_EQ(found.err, "");
        EXPECT_GE(on_the_wire("vpn.example.org"), 2u);
        EXPECT_FALSE(user_asks(server, "vpn.example.org"));
        EXPECT_EQ(on_the_wire("vpn.example.org"), 0u) << "the same query of another user";
    }
    const Output big = resolve({"big.example.org", "-4", "--server", "203.0.113.9"});
    EXPECT_EQ(big.status, 0) << big.err; // by TCP, as the same user

    const Output other =
        resolve({"vpn.example.org", "--server", "203.0.113.9", "--vpn-user", std::to_string(user_uid)});
    EXPECT_EQ(other.status, code(Exit::no_answer));
    EXPECT_THAT(other.err, HasSubstr("was refused"));
    EXPECT_THAT(other.err,
                AllOf(HasSubstr("row 6"), HasSubstr("reason dns"), HasSubstr("on eth0 refuses the query")));
    EXPECT_EQ(on_the_wire("other"), 0u);
}

TEST_F(Resolve, AsTheVpnCgroup) {
    const std::string cgroup = Sandbox::current().cgroup_root() + "/vpn-daemon";
    std::filesystem::create_directory(cgroup);
    attach({"--vpn-cgroup", "vpn-daemon"});
    const Output found = resolve({"vpn.example.org", "--server", "203.0.113.9"});
    EXPECT_EQ(found.status, 0) << found.err;
    EXPECT_EQ(found.out, "198.51.100.7\n2001:db8:100::7\n");
    EXPECT_TRUE(eventually([&] { return rmdir(cgroup.c_str()) == 0; }));
}

// Nobody is named, but a gateway on port 53: that is whom to ask, and everybody may.
TEST_F(Resolve, TheGatewayOnPort53IsTheServer) {
    attach({"--gw", "198.51.100.7", "--gw", "203.0.113.9:53/udp"});
    const Output found = resolve({"vpn.example.org"});
    EXPECT_EQ(found.status, 0) << found.err;
    EXPECT_EQ(found.out, "198.51.100.7\n2001:db8:100::7\n");
    const Output other = resolve({"vpn.example.org", "--server", "2001:db8:f::9"});
    EXPECT_EQ(other.status, code(Exit::no_answer));
    EXPECT_THAT(other.err, HasSubstr("reason dns"));
    attach({"--gw", "203.0.113.9:53/udp", "--gw", "203.0.113.10:53"});
    EXPECT_THAT(resolve({"vpn.example.org"}).err, HasSubstr("names 2 servers"));
}

TEST_F(Resolve, SilentRefusalsAreExplainedToo) {
    attach({"--gw", "198.51.100.7", "--action", "drop"});
    const Output output = resolve({"vpn.example.org", "--server", "203.0.113.9", "--timeout", "1"});
    EXPECT_EQ(output.status, code(Exit::no_answer));
    EXPECT_THAT(output.err, HasSubstr("did not answer by UDP in time"));
    EXPECT_THAT(output.err, HasSubstr("row 6"));
    EXPECT_THAT(output.err, HasSubstr("--bootstrap-dns 203.0.113.9=vpn.example.org"));
}

} // namespace
