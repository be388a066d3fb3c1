// SPDX-License-Identifier: MIT
// A real OpenVPN with a static key, started as the VPN user: it goes on with the filter on, and only it. And
// resolvers on the host.
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/sandbox.h"
#include "harness/vpn.h"
#include "harness/world.h"

using namespace lk;
using namespace lk::harness;

namespace {

std::string text_of(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// One end of the tunnel; the client's device is made first, so that the daemon needs no privilege.
Background openvpn(const Netns &netns, const std::string &key, const std::string &log, bool client) {
    std::vector<std::string> argv = {
        "openvpn", "--dev", "ovpn0",   "--dev-type", "tun",      "--secret",    key,
        "--port",  "1194",  "--proto", "udp",        "--cipher", "AES-256-CBC", "--ifconfig-noexec",
        "--ping",  "1",     "--verb",  "3"};
    if (client)
        argv.insert(argv.end(), {"--remote", gateway4.str(), "--nobind"});
    else
        argv.insert(argv.end(), {"--local", gateway4.str()});
    if (client) // --nobind takes no --port
        argv.erase(std::find(argv.begin(), argv.end(), "--port"),
                   std::find(argv.begin(), argv.end(), "--proto"));
    return Background(argv, {.netns = netns.fd(), .uid = client ? vpn_uid : 0}, log);
}

const Bytes ping_token = "lk<inside-openvpn>";

} // namespace

TEST(OpenVpn, CarriesPingsWithTheFilterOn) {
    if (run({"openvpn", "--version"}).status == 127) GTEST_SKIP() << "openvpn is not installed";
    open_tun_to_all();
    // No responder of its own on that port: it would take the datagrams.
    World world({.name = "ovpn", .container = false, .responder = false});
    std::string dir = Sandbox::current().dir(), key = dir + "/static.key";
    ASSERT_EQ(run({"openvpn", "--genkey", "secret", key}).status, 0);
    chmod(dir.c_str(), 0755);
    chmod(key.c_str(), 0644);
    ASSERT_EQ(run({"ip", "tuntap", "add", "ovpn0", "mode", "tun", "user", std::to_string(vpn_uid)},
                  {.netns = world.host().fd()})
                  .status,
              0);
    ASSERT_EQ(run({"ip", "tuntap", "add", "ovpn0", "mode", "tun"}, {.netns = world.isp().fd()}).status, 0);
    std::string near =
        "link set ovpn0 addrgenmode none\nlink set ovpn0 up\naddr add 10.43.0.{}/24 dev ovpn0\n"
        "addr add 2001:db8:43::{}/64 dev ovpn0 nodad";
    auto addresses = [&](const Netns &netns, int number) {
        netns.ip(fmt::format(fmt::runtime(near), number, number));
    };
    // Not the gateway: the VPN user's identity alone lets it pass.
    std::vector<std::string> args = {
        "eth0", "--gw", "198.51.100.99", "--vpn-user", std::to_string(vpn_uid), "--dns", "10.43.0.1"};
    addresses(world.host(), 2);
    addresses(world.isp(), 1);
    world.host().ip("route add default dev ovpn0 metric 10");
    world.attach(args);
    Background far = openvpn(world.isp(), key, dir + "/far.log", false);
    Background client = openvpn(world.host(), key, dir + "/near.log", true);
    EXPECT_TRUE(eventually([&] { return pings(world.host(), Ip::of("10.43.0.1"), ping_token); }, 20s))
        << text_of(dir + "/near.log") << text_of(dir + "/far.log") << world.leakbpf({"status"}).out;
    EXPECT_TRUE(pings(world.host(), Ip::of("2001:db8:43::1"), ping_token));
    EXPECT_TRUE(pings(world.host(), Ip::of("10.43.0.1"), ping_token));
    Mark clear;
    clear.bytes(ping_token);
    world.capture().settle();
    EXPECT_EQ(world.capture().count(clear), 0u) << "a ping was seen in the clear";
    Mark outer;
    outer.flow(gateway4, 1194);
    EXPECT_GT(world.capture().count(outer), 0u);
    // The same packets by anybody else are refused: the gateway is not on the list.
    send_datagram(world.host(), user_uid, gateway4, 1194, "lk<not-the-daemon>");
    Mark other;
    other.bytes("lk<not-the-daemon>");
    world.capture().settle();
    EXPECT_EQ(world.capture().count(other), 0u);
}

// Stubs on the host and on an inside bridge are asked as ever: what they ask upstream is another matter.
TEST(LocalResolvers, OnLoopbackAndOnAnInsideBridgeAnswer) {
    World world({.name = "stub"});
    std::vector<std::string> args = {"eth0", "--dns", "10.42.0.1"};
    for (const std::string &word : gateway_args())
        args.push_back(word);
    world.attach(args);
    struct Where {
        const char *address;
        const Netns *asks;
        bool in_container;
    };
    for (Where where :
         {Where{"127.0.0.53", &world.host(), false}, Where{"10.10.0.1", &world.host(), false},
          Where{"10.10.0.1", &world.container(), false}, Where{"10.10.0.2", &world.host(), true}}) {
        for (int type : {SOCK_DGRAM, SOCK_STREAM}) {
            const Netns &serves = where.in_container ? world.container() : world.host();
            Ip ip = Ip::of(where.address);
            Helper stub({.netns = serves.fd()}, [&](const std::function<void()> &ready) {
                Fd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
                int on = 1;
                setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                SockAddr own(ip, 53);
                if (bind(fd.get(), own.get(), own.length) < 0) throw std::runtime_error(strerror(errno));
                if (type == SOCK_STREAM) listen(fd.get(), 4);
                ready();
                char data[512];
                for (;;) {
                    if (type == SOCK_STREAM) {
                        Fd peer(accept(fd.get(), nullptr, nullptr));
                        ssize_t got = recv(peer.get(), data, sizeof(data), 0);
                        if (got > 0) send(peer.get(), data, static_cast<std::size_t>(got), MSG_NOSIGNAL);
                    } else {
                        SockAddr from;
                        from.length = sizeof(from.storage);
                        ssize_t got = recvfrom(fd.get(), data, sizeof(data), 0, from.get(), &from.length);
                        if (got > 0)
                            sendto(fd.get(), data, static_cast<std::size_t>(got), 0, from.get(), from.length);
                    }
                }
            });
            std::string trouble = as({.netns = where.asks->fd(), .uid = user_uid}, [&] {
                Fd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
                timeval limit{2, 0};
                setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
                SockAddr to(ip, 53);
                if (connect(fd.get(), to.get(), to.length) < 0) throw std::runtime_error(strerror(errno));
                char data[16];
                if (send(fd.get(), "a query", 7, 0) != 7 || recv(fd.get(), data, sizeof(data), 0) != 7)
                    throw std::runtime_error("no answer");
            });
            EXPECT_EQ(trouble, "") << where.address << " from " << where.asks->name()
                                   << (type == SOCK_STREAM ? " TCP" : " UDP");
        }
    }
}
