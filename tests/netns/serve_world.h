// SPDX-License-Identifier: MIT
// What the tests of --serve share: a machine that serves, strangers beyond its uplink, and sockets of both.
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "kernel/tcx.h"
#include "netns/cli_world.h"

namespace lk::harness {

inline constexpr int patience_ms = 3000;
inline constexpr std::uint16_t served = 2222, other = 2223;

struct Places {
    const char *host, *stranger, *outsider;
};
inline constexpr Places twin4{"10.7.9.9", "203.0.113.9", "192.0.2.9"},
    twin6{"2001:db8:9::9", "2001:db8:99::9", "2001:db8:98::9"};
inline constexpr Places v4{"10.7.1.2", "203.0.113.9", "192.0.2.9"},
    v6{"2001:db8:7::2", "2001:db8:99::9", "2001:db8:98::9"};

inline bool comes(int fd, short what = POLLIN, int wait_ms = patience_ms) {
    pollfd waiting{fd, what, 0};
    return poll(&waiting, 1, wait_ms) == 1;
}

// A machine with an uplink, strangers beyond it, and sockets on either side.
class ServeTest : public testing::Test {
  protected:
    ServeTest() : world_("serve") {
        world_.far().ip("addr add 203.0.113.9/32 dev lo\naddr add 192.0.2.9/32 dev lo\n"
                        "addr add 2001:db8:99::9/128 dev lo nodad\naddr add 2001:db8:98::9/128 dev lo nodad\n"
                        "addr add 2001:db8:7::1/64 dev far-eth0 nodad\n"
                        "neigh replace 10.7.1.2 lladdr 02:00:00:07:01:02 dev far-eth0 nud permanent\n"
                        "neigh replace 2001:db8:7::2 lladdr 02:00:00:07:01:02 dev far-eth0 nud permanent");
        world_.host().ip("addr add 2001:db8:7::2/64 dev eth0 nodad\n"
                         "neigh replace 2001:db8:7::1 lladdr 02:00:00:07:01:01 dev eth0 nud permanent\n"
                         "route add default via 2001:db8:7::1 dev eth0");
    }
    void attach(std::vector<std::string> more) {
        more.insert(more.begin(), {"eth0", "--gw", "198.51.100.7"});
        const Output output = world_.attach(more);
        ASSERT_EQ(output.status, 0) << output.err;
    }
    static Fd open(
        const Netns &netns, int type, const char *ip, std::uint16_t port,
        const std::function<void(int)> &prepare = [](int) {}) {
        Fd fd;
        netns.inside([&] {
            fd = Fd(::socket(Ip::of(ip).family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK,
                             0));
            const int on = 1;
            setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            prepare(fd.get());
            const SockAddr at(Ip::of(ip), port);
            EXPECT_EQ(bind(fd.get(), at.get(), at.length), 0) << ip << " " << port;
        });
        return fd;
    }
    Fd listener(const char *ip, std::uint16_t port) {
        Fd fd = open(world_.host(), SOCK_STREAM, ip, port);
        EXPECT_EQ(listen(fd.get(), 128), 0);
        return fd;
    }
    // A stranger's socket that asks.
    Fd ask(const char *from, std::uint16_t from_port, const char *to, std::uint16_t port) {
        Fd fd = open(world_.far(), SOCK_STREAM, from, from_port);
        const SockAddr there(Ip::of(to), port);
        (void)connect(fd.get(), there.get(), there.length);
        return fd;
    }
    static bool connected(int fd, int wait_ms = patience_ms) {
        int error = -1;
        socklen_t size = sizeof error;
        return comes(fd, POLLOUT, wait_ms) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
               error == 0;
    }
    static bool says(int from, int to) {
        char got[8]{};
        return send(from, "hello", 5, MSG_NOSIGNAL) == 5 && comes(to) && recv(to, got, sizeof got, 0) == 5;
    }
    struct Session {
        Fd listens, here, there;
        bool lives() const { return says(there.get(), here.get()) && says(here.get(), there.get()); }
    };
    Session session(const Places &p, std::uint16_t port, std::uint16_t from_port) {
        Session s;
        s.listens = listener(p.host, port);
        s.there = ask(p.stranger, from_port, p.host, port);
        EXPECT_TRUE(connected(s.there.get()));
        EXPECT_TRUE(comes(s.listens.get()));
        s.here = Fd(accept4(s.listens.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        return s;
    }
    // That this machine opened, from PORT to TO_PORT of the stranger.
    Session outgoing(const Places &p, std::uint16_t port, std::uint16_t to_port) {
        const Fd listens = open(world_.far(), SOCK_STREAM, p.stranger, to_port);
        EXPECT_EQ(listen(listens.get(), 8), 0);
        Session s;
        s.here = open(world_.host(), SOCK_STREAM, p.host, port);
        const SockAddr there(Ip::of(p.stranger), to_port);
        (void)connect(s.here.get(), there.get(), there.length);
        EXPECT_TRUE(connected(s.here.get()));
        EXPECT_TRUE(comes(listens.get()));
        s.there = Fd(accept4(listens.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        return s;
    }
    bool speaks_to(const Session &s, const char *stranger, std::uint16_t port) {
        return leaves_for(stranger, port, [&] { (void)send(s.here.get(), "x", 1, MSG_NOSIGNAL); });
    }
    // A second uplink with an own address that is eth0's too, by which routes still lead.
    void plug_twin() {
        world_.plug("eth1", 2);
        for (const char *key :
             {"ipv4/conf/all/rp_filter", "ipv4/conf/eth0/rp_filter", "ipv4/conf/eth1/rp_filter"})
            world_.host().sysctl(key, "0");
        world_.host().ip("addr add 10.7.9.9/32 dev eth0\naddr add 10.7.9.9/32 dev eth1\n"
                         "addr add 2001:db8:9::9/128 dev eth0 nodad\n"
                         "addr add 2001:db8:9::9/128 dev eth1 nodad\n"
                         "addr add 2001:db8:8::2/64 dev eth1 nodad\n"
                         "neigh replace 2001:db8:8::1 lladdr 02:00:00:07:02:01 dev eth1 nud permanent");
        world_.far().ip("route add 10.7.9.9/32 via 10.7.1.2 dev far-eth0\n"
                        "route add 2001:db8:9::9/128 via 2001:db8:7::2 dev far-eth0");
    }
    // What it says.
    std::string attach_both() {
        const Output output = world_.attach({"eth0", "eth1", "--gw", "198.51.100.7", "--serve", "tcp/2222"});
        EXPECT_EQ(output.status, 0) << output.err;
        return output.out + output.err;
    }
    void route_by_eth1() {
        world_.host().ip("route replace default via 10.7.2.1 dev eth1\n"
                         "route replace default via 2001:db8:8::1 dev eth1");
    }
    // Frames to this end since then.
    std::size_t sent_to(const char *ip, std::uint16_t port, std::size_t since) {
        world_.capture().settle();
        Mark mark;
        mark.flow(Ip::of(ip), port);
        return world_.capture().count(mark, since);
    }
    // Whether what DOES makes something leave for this end.
    bool leaves_for(const char *ip, std::uint16_t port, const std::function<void()> &does) {
        const auto since = world_.capture().position();
        does();
        return sent_to(ip, port, since) > 0;
    }
    bool answered(const char *from, std::uint16_t from_port, const char *to, std::uint16_t port) {
        Fd fd;
        return leaves_for(from, from_port, [&] { fd = ask(from, from_port, to, port); });
    }
    void inject_from_far(const char *device, const Bytes &packet, bool ipv6) {
        const std::string net = std::string(device) == "far-eth0" ? "\x01" : "\x02";
        const Bytes mac("\x02\x00\x00\x07", 4);
        world_.far().inside([&] {
            inject(device,
                   {ethernet(mac + net + "\x02", mac + net + "\x01", ipv6 ? 0x86dd : 0x0800, packet)});
        });
    }
    // A TCP segment of a stranger.
    void segment(const char *device, const char *from, std::uint16_t from_port, const char *to,
                 std::uint16_t port, unsigned flags) {
        const Ip src = Ip::of(from), dst = Ip::of(to);
        inject_from_far(device, ip(src, dst, 6, tcp(src, dst, from_port, port, flags)), src.family == 6);
    }
    // Our programs on the ingress of the device, by whatever means.
    std::size_t ingress(const char *device) {
        std::size_t found = 0;
        world_.host().inside([&] {
            found = lk::tcx::chain(static_cast<int>(if_nametoindex(device)), lk::tcx::ingress)->size();
        });
        const std::string filters = tc({"filter", "show", "dev", device, "ingress"});
        for (std::size_t at = 0; (at = filters.find("lk_serve_in:[", at)) != filters.npos; ++at)
            ++found;
        return found;
    }
    std::string tc(std::vector<std::string> words) {
        words.insert(words.begin(), "tc");
        return run(words, {.netns = world_.host().fd()}).out;
    }

    CliWorld world_;
};

} // namespace lk::harness
