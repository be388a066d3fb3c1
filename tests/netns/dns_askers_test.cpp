// SPDX-License-Identifier: MIT
// The resolvers of real programs, with the tunnel up: glibc, musl, busybox, dig, host and Python, by UDP and
// TCP, whomever they ask. The name server behind the tunnel writes down what it was asked; the wire of the
// uplink shows none of it; and the program believes the answer to be of the server that it asked.
#include <sys/mount.h>
#include <sys/stat.h>

#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/kernel.h"
#include "harness/name_server.h"
#include "harness/sandbox.h"
#include "harness/world.h"

using namespace lk;
using namespace lk::harness;
using testing::Contains;
using testing::HasSubstr;

namespace {

const std::vector<Ip> servers = {
    Ip::of("203.0.113.200"),       // public, by the uplink
    Ip::of("203.0.113.10"),        // public, by the tunnel's default route
    Ip::of("10.9.0.1"),            // the router
    Ip::of("2001:db8:f:8000::53"), // public, by the uplink
    Ip::of("2001:db8:9::1"),       // the router
};

bool is_there(const char *program) {
    return run({"sh", "-c", fmt::format("command -v {}", program)}).status == 0;
}

class Askers : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        world = new World({.name = "ask", .tunnel = true, .container = false, .responder = false});
        log = Sandbox::current().dir() + "/asked";
        resolver = start_name_server(world->isp(), {resolver4, resolver6}, log);
        std::vector<std::string> args = {"eth0", "--dns", resolver4.str(), "--dns", resolver6.str()};
        for (const std::string &word : gateway_args())
            args.push_back(word);
        world->attach(args);
        // In this mount namespace only.
        conf = Sandbox::current().dir() + "/resolv.conf";
        std::ofstream(conf) << "";
        if (mount(conf.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) != 0)
            throw std::runtime_error("/etc/resolv.conf cannot be covered");
    }
    static void TearDownTestSuite() {
        umount("/etc/resolv.conf");
        resolver.reset();
        delete world;
        world = nullptr;
    }

    static void configure(const Ip &server, const std::string &options = {}) {
        std::ofstream(conf) << fmt::format("nameserver {}\n", server.str())
                            << (options.empty() ? "" : "options " + options + "\n");
    }

    // What ARGV prints when it asks for LABEL.NUMBER.example. PROTOCOL: by which the server was asked last.
    // Words "NAME" and "SERVER" of ARGV are replaced.
    std::string ask(const std::string &what, const Ip &server, std::vector<std::string> argv,
                    const std::string &protocol, const std::string &label = "www") {
        static int number = 0;
        const std::string name = fmt::format("{}.n{}.example", label, ++number);
        for (std::string &word : argv) {
            if (word == "NAME") word = name;
            if (word == "SERVER") word = server.str();
            if (word == "@SERVER") word = "@" + server.str();
        }
        const std::size_t since = world->capture().position();
        const Output output = run(argv, {.netns = world->host().fd()});
        world->capture().settle();
        Mark mark;
        mark.bytes(dns_name(name));
        mark.flow(server, 53);
        const std::size_t clear = world->capture().count(mark, since);
        fmt::print("{:<28} {:<20} in the clear: {}  answered: {}\n", what, server.str(), clear,
                   output.status == 0 ? "yes" : "no");
        EXPECT_EQ(clear, 0u) << what << " to " << server.str() << ": seen in the clear";
        EXPECT_EQ(output.status, 0) << what << " to " << server.str() << ": " << output.out << output.err;
        EXPECT_THAT(asked_of(log), Contains(fmt::format("{} {} A", protocol, name)))
            << what << " to " << server.str();
        return output.out;
    }

    static World *world;
    static std::unique_ptr<Helper> resolver;
    static std::string log, conf;
};
World *Askers::world = nullptr;
std::unique_ptr<Helper> Askers::resolver;
std::string Askers::log, Askers::conf;

TEST_F(Askers, Glibc) {
    for (const Ip &server : servers) {
        configure(server);
        const std::string udp = ask("getaddrinfo", server, {"getent", "ahosts", "NAME"}, "udp");
        EXPECT_THAT(udp, HasSubstr(named4.str()));
        EXPECT_THAT(udp, HasSubstr(named6.str()));
        const std::string big =
            ask("getaddrinfo, truncated", server, {"getent", "ahosts", "NAME"}, "tcp", "big");
        EXPECT_THAT(big, HasSubstr("198.51.100.46"));
        configure(server, "use-vc");
        EXPECT_THAT(ask("getaddrinfo, use-vc", server, {"getent", "ahosts", "NAME"}, "tcp"),
                    HasSubstr(named4.str()));
        configure(server, "edns0 single-request");
        EXPECT_THAT(ask("getaddrinfo, edns0", server, {"getent", "ahosts", "NAME"}, "udp"),
                    HasSubstr(named6.str()));
    }
}

TEST_F(Askers, Musl) {
    if (!is_there("musl-gcc")) GTEST_SKIP() << "musl-gcc is not there: scripts/setup installs it";
    const std::string source = Sandbox::current().dir() + "/asker.c", program = source + ".musl";
    std::ofstream(source) << R"(#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
int main(int argc, char **argv) {
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = 0;
    if (argc != 2 || getaddrinfo(argv[1], 0, &hints, &found)) return 1;
    for (; found; found = found->ai_next) {
        char text[64];
        int six = found->ai_family == AF_INET6;
        puts(inet_ntop(found->ai_family,
                       six ? (void *)&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr
                           : (void *)&((struct sockaddr_in *)found->ai_addr)->sin_addr,
                       text, sizeof(text)));
    }
    return 0;
}
)";
    const Output built = run({"musl-gcc", "-static", "-O1", "-o", program, source});
    ASSERT_EQ(built.status, 0) << built.err;
    for (const Ip &server : servers) {
        configure(server);
        const std::string found = ask("musl", server, {program, "NAME"}, "udp");
        EXPECT_THAT(found, HasSubstr(named4.str()));
        EXPECT_THAT(found, HasSubstr(named6.str()));
    }
}

TEST_F(Askers, Python) {
    if (!is_there("/usr/bin/python3")) GTEST_SKIP() << "python3 is not there";
    for (const Ip &server : servers) {
        configure(server);
        EXPECT_THAT(ask("Python", server,
                        {"/usr/bin/python3", "-c",
                         "import socket,sys; print(socket.getaddrinfo(sys.argv[1], 80))", "NAME"},
                        "udp"),
                    HasSubstr(named4.str()));
    }
}

TEST_F(Askers, Busybox) {
    for (const Ip &server : servers)
        EXPECT_THAT(ask("busybox nslookup", server, {"busybox", "nslookup", "NAME", "SERVER"}, "udp"),
                    HasSubstr(named4.str()));
}

TEST_F(Askers, Dig) {
    if (!is_there("dig")) GTEST_SKIP() << "dig is not there: scripts/setup installs it";
    const auto dig = [](std::vector<std::string> more) {
        std::vector<std::string> argv = {"dig", "+tries=1", "+timeout=3", "@SERVER", "NAME", "A"};
        argv.insert(argv.end(), more.begin(), more.end());
        return argv;
    };
    for (const Ip &server : servers) {
        // It says who answered, and complains of any other.
        const std::string who = fmt::format("SERVER: {}#53", server.str());
        const std::string udp = ask("dig", server, dig({}), "udp");
        EXPECT_THAT(udp, HasSubstr(named4.str()));
        EXPECT_THAT(udp, HasSubstr(who));
        EXPECT_THAT(ask("dig +tcp", server, dig({"+tcp"}), "tcp"), HasSubstr(who));
        EXPECT_THAT(ask("dig +bufsize=4096", server, dig({"+bufsize=4096"}), "udp", "big"),
                    HasSubstr("198.51.100.46"));
        EXPECT_THAT(ask("dig, truncated", server, dig({"+bufsize=512"}), "tcp", "big"),
                    HasSubstr("198.51.100.46"));
        EXPECT_THAT(ask("dig +noedns +nocookie", server, dig({"+noedns", "+nocookie"}), "udp"),
                    HasSubstr(named4.str()));
    }
}

TEST_F(Askers, Host) {
    if (!is_there("host")) GTEST_SKIP() << "host is not there: scripts/setup installs it";
    for (const Ip &server : servers) {
        EXPECT_THAT(ask("host", server, {"host", "-W", "3", "NAME", "SERVER"}, "udp"),
                    HasSubstr(named4.str()));
        EXPECT_THAT(ask("host -T", server, {"host", "-T", "-W", "3", "NAME", "SERVER"}, "tcp"),
                    HasSubstr(named6.str()));
    }
}

} // namespace
