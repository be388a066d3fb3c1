// SPDX-License-Identifier: MIT
// Queries by every kind of socket that a program may use, with the tunnel up: each gets its answer, from the
// server that it asked, and the uplink's wire shows none of them.
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/udp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/message.h"
#include "harness/must.h"
#include "harness/name_server.h"
#include "harness/sandbox.h"
#include "harness/world.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

using namespace lk;
using namespace lk::harness;

namespace {

constexpr std::uint16_t dns = 53, own_port = 40053;
const Ip public4 = Ip::of("203.0.113.200"), public6 = Ip::of("2001:db8:f:8000::53"); // by the uplink
const Ip router4 = Ip::of("10.9.0.1"), router6 = Ip::of("2001:db8:9::1");

template <typename Value>
void set(const Fd &fd, int level, int name, const Value &value, const char *what) {
    must(setsockopt(fd.get(), level, name, &value, sizeof(value)) == 0, what);
}

Fd socket_of(int family, int type, int protocol = 0) {
    Fd fd(socket(family, type | SOCK_CLOEXEC, protocol));
    must(fd.get() >= 0, "socket");
    set(fd, SOL_SOCKET, SO_RCVTIMEO, timeval{2, 0}, "SO_RCVTIMEO");
    return fd;
}

Fd udp_to(const Ip &server) {
    return socket_of(server.family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM);
}

Bytes query_of(const std::string &name, std::uint16_t id) {
    return dns_query(name, 1, id);
}

std::uint16_t id_of(const char *message) {
    return static_cast<std::uint16_t>(static_cast<unsigned char>(message[0]) << 8 |
                                      static_cast<unsigned char>(message[1]));
}

void check_answer(const char *data, ssize_t bytes, std::uint16_t id) {
    if (bytes < 12 || !(data[2] & 0x80) || id_of(data) != id) throw std::runtime_error("not the answer");
}

// One answer by a UDP socket, from SERVER as it is written in WANT.
void expect_answer(const Fd &fd, const SockAddr &want, std::uint16_t id) {
    char data[2048];
    SockAddr from;
    from.length = sizeof(from.storage);
    const ssize_t bytes = recvfrom(fd.get(), data, sizeof(data), 0, from.get(), &from.length);
    must(bytes > 0, "no answer");
    check_answer(data, bytes, id);
    const auto *is = reinterpret_cast<const sockaddr_in6 *>(&from.storage);
    const auto *was = reinterpret_cast<const sockaddr_in6 *>(&want.storage);
    const auto *is4 = reinterpret_cast<const sockaddr_in *>(&from.storage);
    const auto *was4 = reinterpret_cast<const sockaddr_in *>(&want.storage);
    const bool v4 = was->sin6_family == AF_INET;
    if (is->sin6_family != was->sin6_family || is->sin6_port != was->sin6_port ||
        (v4 ? is4->sin_addr.s_addr != was4->sin_addr.s_addr
            : memcmp(&is->sin6_addr, &was->sin6_addr, sizeof(is->sin6_addr)) != 0))
        throw std::runtime_error("the answer is from another than the server asked");
}

void send_to(const Fd &fd, const Bytes &query, const SockAddr &to) {
    must(sendto(fd.get(), query.data(), query.size(), 0, const_cast<SockAddr &>(to).get(), to.length) ==
             static_cast<ssize_t>(query.size()),
         "sendto");
}

void ask(const Fd &fd, const Ip &server, const std::string &name) {
    const SockAddr to(server, dns);
    send_to(fd, query_of(name, 7), to);
    expect_answer(fd, to, 7);
}

// As a resolver does: the tunnel's own queue may be full.
void ask_until_answered(const Fd &fd, const Ip &server, const std::string &name) {
    for (int turn = 1;; ++turn) {
        try {
            return ask(fd, server, name);
        } catch (const std::runtime_error &) {
            if (turn == 4) throw;
        }
    }
}

void by_sendmmsg(const Ip &server, const std::string &name) {
    const Fd fd = udp_to(server);
    const Ip &other = server.family == 4 ? router4 : router6;
    SockAddr to[] = {SockAddr(server, dns), SockAddr(other, dns)};
    Bytes queries[] = {query_of(name, 1), query_of(name, 2)};
    iovec parts[2];
    mmsghdr messages[2] = {};
    for (int i = 0; i < 2; ++i) {
        parts[i] = {queries[i].data(), queries[i].size()};
        messages[i].msg_hdr.msg_name = to[i].get();
        messages[i].msg_hdr.msg_namelen = to[i].length;
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    must(sendmmsg(fd.get(), messages, 2, 0) == 2, "sendmmsg");
    std::set<std::uint16_t> seen;
    for (int i = 0; i < 2; ++i) {
        char data[2];
        must(recv(fd.get(), data, sizeof(data), MSG_PEEK) == 2, "no answer");
        const std::uint16_t id = id_of(data);
        if ((id != 1 && id != 2) || !seen.insert(id).second) throw std::runtime_error("not the answer");
        expect_answer(fd, to[id - 1], id);
    }
}

void by_mapped(const Ip &server, const std::string &name) {
    const Fd fd = socket_of(AF_INET6, SOCK_DGRAM);
    set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0, "IPV6_V6ONLY");
    ask(fd, Ip::of(("::ffff:" + server.str()).c_str()), name);
}

void by_unicast_if(const Ip &server, const std::string &name) {
    const Fd fd = udp_to(server);
    const auto device = htonl(if_nametoindex("eth0"));
    if (server.family == 4)
        set(fd, IPPROTO_IP, IP_UNICAST_IF, device, "IP_UNICAST_IF");
    else
        set(fd, IPPROTO_IPV6, IPV6_UNICAST_IF, device, "IPV6_UNICAST_IF");
    ask(fd, server, name);
}

void by_pktinfo(const Ip &server, const std::string &name) {
    const Fd fd = udp_to(server);
    SockAddr to(server, dns);
    Bytes query = query_of(name, 7);
    Message message(to, query);
    message.set_device(server.family, if_nametoindex("eth0"));
    must(sendmsg(fd.get(), message.get(), 0) > 0, "sendmsg");
    expect_answer(fd, to, 7);
}

void by_no_checksum(const Ip &server, const std::string &name) {
    const Fd fd = udp_to(server);
    set(fd, SOL_SOCKET, SO_NO_CHECK, 1, "SO_NO_CHECK");
    ask(fd, server, name);
}

// Two queries of one size in one send; the kernel cuts them behind the filter, or the device would.
void by_segments(const Ip &server, const std::string &name) {
    const Fd fd = udp_to(server);
    const Bytes one = query_of(name, 1), two = query_of(name, 2);
    set(fd, IPPROTO_UDP, UDP_SEGMENT, static_cast<int>(one.size()), "UDP_SEGMENT");
    const SockAddr to(server, dns);
    send_to(fd, one + two, to);
    std::set<std::uint16_t> seen;
    for (int i = 0; i < 2; ++i) {
        char data[2];
        must(recv(fd.get(), data, sizeof(data), MSG_PEEK) == 2, "no answer");
        seen.insert(id_of(data));
        expect_answer(fd, to, id_of(data));
    }
    if (seen != std::set<std::uint16_t>{1, 2}) throw std::runtime_error("not the answers");
}

Bytes framed(const Bytes &query) {
    return Bytes{static_cast<char>(query.size() >> 8), static_cast<char>(query.size())} + query;
}

void read_all(const Fd &fd, char *data, std::size_t bytes) {
    for (std::size_t got = 0; got < bytes;) {
        const ssize_t more = recv(fd.get(), data + got, bytes - got, 0);
        must(more > 0, "no answer");
        got += static_cast<std::size_t>(more);
    }
}

void expect_stream(const Fd &fd, std::set<std::uint16_t> ids) {
    while (!ids.empty()) {
        char length[2], data[2048];
        read_all(fd, length, sizeof(length));
        const std::size_t bytes = id_of(length);
        if (bytes > sizeof(data)) throw std::runtime_error("not the answer");
        read_all(fd, data, bytes);
        if (ids.erase(id_of(data)) != 1) throw std::runtime_error("not the answer");
    }
}

// Plain, it talks to the resolver itself; bound to any port, its packets are translated.
enum class Stream { plain, bound };

Fd stream_of(const Ip &server, Stream stream) {
    const bool v4 = server.family == 4;
    Fd fd = socket_of(v4 ? AF_INET : AF_INET6, SOCK_STREAM);
    SockAddr any(Ip::of(v4 ? "0.0.0.0" : "::"), 0);
    if (stream == Stream::bound) must(bind(fd.get(), any.get(), any.length) == 0, "bind");
    return fd;
}

// The uplink's, which no packet into the tunnel may have.
void check_translated(const Fd &fd, const Ip &server) {
    SockAddr own;
    own.length = sizeof(own.storage);
    must(getsockname(fd.get(), own.get(), &own.length) == 0, "getsockname");
    if (own.ip() != Ip::of(server.family == 4 ? "10.9.0.2" : "2001:db8:9::2"))
        throw std::runtime_error("its own address is " + own.ip().str());
}

template <Stream stream>
void by_pipelining(const Ip &server, const std::string &name) {
    const Fd fd = stream_of(server, stream);
    SockAddr to(server, dns);
    must(connect(fd.get(), to.get(), to.length) == 0, "connect");
    const Bytes all = framed(query_of(name, 1)) + framed(query_of(name, 2)) + framed(query_of(name, 3));
    must(send(fd.get(), all.data(), all.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(all.size()), "send");
    expect_stream(fd, {1, 2, 3});
    if (stream == Stream::bound) check_translated(fd, server);
}

template <Stream stream>
void by_fast_open(const Ip &server, const std::string &name) {
    const Fd fd = stream_of(server, stream);
    SockAddr to(server, dns);
    const Bytes query = framed(query_of(name, 9));
    must(sendto(fd.get(), query.data(), query.size(), MSG_FASTOPEN | MSG_NOSIGNAL, to.get(), to.length) > 0,
         "MSG_FASTOPEN");
    expect_stream(fd, {9});
    if (stream == Stream::bound) check_translated(fd, server);
}

Bytes udp_packet(const Bytes &query) {
    Bytes packet(8, '\0');
    const auto put = [&packet](std::size_t at, std::size_t value) {
        packet[at] = static_cast<char>(value >> 8);
        packet[at + 1] = static_cast<char>(value);
    };
    put(0, own_port);
    put(2, dns);
    put(4, 8 + query.size());
    return packet + query;
}

// What comes back to OWN_PORT, as a raw socket sees it: with its IP header.
void expect_raw(const Fd &fd, const Ip &server) {
    while (true) {
        char data[2048];
        const ssize_t bytes = recv(fd.get(), data, sizeof(data), 0);
        must(bytes > 0, "no answer");
        if (bytes < 40 || id_of(data + 20) != dns || id_of(data + 22) != own_port) continue;
        if (Bytes(data + 12, 4) != server.bytes()) throw std::runtime_error("the answer is from another");
        return check_answer(data + 28, bytes - 28, 7);
    }
}

void by_raw_socket(const Ip &server, const std::string &name) {
    const Fd fd = socket_of(AF_INET, SOCK_RAW, IPPROTO_UDP);
    set(fd, SOL_SOCKET, SO_BINDTODEVICE, "eth0", "SO_BINDTODEVICE");
    send_to(fd, udp_packet(query_of(name, 7)), SockAddr(server, 0));
    expect_raw(fd, server);
}

void by_packet_socket(const Seat &seat, const Ip &server, const std::string &name) {
    const Fd listener = socket_of(AF_INET, SOCK_RAW, IPPROTO_UDP);
    const Fd fd = socket_of(AF_PACKET, SOCK_DGRAM);
    const Bytes udp = udp_packet(query_of(name, 7));
    Bytes ip("\x45\0\0\0\0\0\x40\0\x40\x11\0\0", 12);
    ip += seat.source4.bytes() + server.bytes();
    ip[2] = static_cast<char>((20 + udp.size()) >> 8);
    ip[3] = static_cast<char>(20 + udp.size());
    unsigned sum = 0;
    for (std::size_t i = 0; i < ip.size(); i += 2)
        sum += id_of(ip.data() + i);
    sum = ~((sum & 0xffff) + (sum >> 16));
    ip[10] = static_cast<char>(sum >> 8);
    ip[11] = static_cast<char>(sum);
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ETH_P_IP);
    to.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
    to.sll_halen = 6;
    memcpy(to.sll_addr, seat.next_mac.data(), 6);
    const Bytes packet = ip + udp;
    must(sendto(fd.get(), packet.data(), packet.size(), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to)) > 0,
         "sendto");
    expect_raw(listener, server);
}

class DnsSenders : public testing::Test {
  protected:
    void SetUp() override {
        world_ = std::make_unique<World>(WorldOptions{.name = "dnssend", .tunnel = true, .responder = false});
        server_ =
            start_name_server(world_->isp(), {resolver4, resolver6}, Sandbox::current().dir() + "/asked");
    }

    void attach(const Ip &v4 = resolver4) {
        std::vector<std::string> args = {"eth0", "--dns", v4.str(), "--dns", resolver6.str()};
        for (const std::string &word : gateway_args())
            args.push_back(word);
        world_->attach(args);
    }

    static bool was_asked(const std::string &log, const std::string &name) {
        for (const std::string &line : asked_of(log))
            if (line.find(name) != std::string::npos) return true;
        return false;
    }

    std::string next_name() { return fmt::format("lkq{}.example.org", number_++); }

    // How often NAME was seen on the uplink's wire.
    std::size_t clear(const std::string &name, std::size_t since) {
        Mark mark;
        mark.bytes(dns_name(name));
        for (const Ip &ip : {public4, public6, router4, router6, resolver4, resolver6})
            mark.flow(ip, dns);
        world_->capture().settle();
        return world_->capture().count(mark, since);
    }

    void row(const char *sender, const Ip &server, uid_t uid,
             const std::function<void(const std::string &)> &body) {
        const std::string name = next_name();
        const std::size_t since = world_->capture().position();
        const std::string trouble = as({.netns = world_->host().fd(), .uid = uid}, [&] { body(name); });
        const std::size_t seen = clear(name, since);
        fmt::print("{:<28} {:<22} clear {} {}\n", sender, server.str(), seen,
                   trouble.empty() ? "answered by whom it asked" : trouble);
        EXPECT_EQ(seen, 0u) << sender << " to " << server.str();
        EXPECT_EQ(trouble, "") << sender << " to " << server.str();
    }

    void ask_by_every_kind(const std::vector<Ip> &servers) {
        struct Kind {
            const char *name;
            void (*ask)(const Ip &, const std::string &);
            bool v6, root;
        };
        const Kind kinds[] = {{"sendmmsg", by_sendmmsg, true, false},
                              {"v4-mapped", by_mapped, false, false},
                              {"UNICAST_IF eth0", by_unicast_if, true, false},
                              {"PKTINFO eth0", by_pktinfo, true, false},
                              {"no UDP checksum", by_no_checksum, false, false},
                              {"UDP_SEGMENT", by_segments, true, false},
                              {"TCP, three at once", by_pipelining<Stream::plain>, true, false},
                              {"TCP fast open", by_fast_open<Stream::plain>, true, false},
                              {"TCP bound, three at once", by_pipelining<Stream::bound>, true, false},
                              {"TCP bound, fast open", by_fast_open<Stream::bound>, true, false},
                              {"raw socket on eth0", by_raw_socket, false, true}};
        for (const Kind &kind : kinds)
            for (const Ip &server : servers) {
                if (server.family == 6 && !kind.v6) continue;
                row(kind.name, server, kind.root ? 0 : user_uid,
                    [&](const std::string &name) { kind.ask(server, name); });
            }
    }

    std::unique_ptr<World> world_;
    std::unique_ptr<Helper> server_;
    static inline int number_ = 0; // the log of the name server outlives a test
};

TEST_F(DnsSenders, OfEveryKind) {
    attach();
    ask_by_every_kind({public4, router4, public6, router6});
    const Seat seat = world_->host_seat();
    for (const Ip &server : {public4, router4})
        row("packet socket", server, 0,
            [&](const std::string &name) { by_packet_socket(seat, server, name); });
}

TEST_F(DnsSenders, OfEveryKindWithAnIPv4ResolverOnly) {
    world_->attach({"eth0", "--dns", resolver4.str(), "--gw", gateway4.str()});
    ask_by_every_kind({public6, router6});
}

// UDP sockets of before go on.
TEST_F(DnsSenders, OlderThanTheAttach) {
    const std::string name = next_name();
    Puppet asker({.netns = world_->host().fd(), .uid = user_uid}, [&](const std::function<void()> &next) {
        const Fd fd = udp_to(public4);
        SockAddr to(public4, dns);
        must(connect(fd.get(), to.get(), to.length) == 0, "connect");
        next();
        const Bytes query = query_of(name, 7);
        must(send(fd.get(), query.data(), query.size(), 0) > 0, "send");
        expect_answer(fd, to, 7);
    });
    attach();
    const std::size_t since = world_->capture().position();
    EXPECT_EQ(asker.step(), "");
    EXPECT_EQ(clear(name, since), 0u);
}

// What is on its way is answered, and what comes after goes to the new resolver; a connection to the old one
// is reset.
TEST_F(DnsSenders, WhileTheResolverChanges) {
    const Ip other = Ip::of("10.42.0.53");
    const std::string log = Sandbox::current().dir() + "/asked", other_log = log + "-too";
    world_->isp().ip("addr add 10.42.0.53/32 dev tun0");
    const auto second = start_name_server(world_->isp(), {other}, other_log);
    attach();
    kill(server_->pid(), SIGSTOP);
    const std::string before = next_name(), after = next_name(), stream = next_name();
    const std::size_t since = world_->capture().position();
    Puppet asker({.netns = world_->host().fd(), .uid = user_uid}, [&](const std::function<void()> &next) {
        const Fd fd = udp_to(public4), connection = socket_of(AF_INET, SOCK_STREAM);
        SockAddr to(public4, dns);
        must(connect(connection.get(), to.get(), to.length) == 0, "connect");
        send_to(fd, query_of(before, 1), to);
        next(); // the policy is replaced
        send_to(fd, query_of(after, 2), to);
        expect_answer(fd, to, 2);
        next(); // the old resolver has been slow
        expect_answer(fd, to, 1);
        const Bytes query = framed(query_of(stream, 3));
        must(send(connection.get(), query.data(), query.size(), MSG_NOSIGNAL) > 0, "send");
        char data[1];
        if (recv(connection.get(), data, sizeof(data), 0) >= 0 || errno != ECONNRESET)
            throw std::runtime_error("a connection to the old resolver goes on");
    });
    attach(other);
    EXPECT_EQ(asker.step(), "");
    kill(server_->pid(), SIGCONT);
    EXPECT_EQ(asker.step(), "");
    EXPECT_TRUE(was_asked(log, before));
    EXPECT_TRUE(was_asked(other_log, after));
    EXPECT_FALSE(was_asked(log, after));
    for (const std::string &name : {before, after, stream})
        EXPECT_EQ(clear(name, since), 0u) << name;
}

// One asker takes what ports there are for him, and nobody else's.
TEST_F(DnsSenders, BesideAFlood) {
    attach();
    const std::string flood = next_name();
    const std::size_t since = world_->capture().position();
    constexpr int sockets = 3000;
    EXPECT_EQ(as(
                  {.netns = world_->host().fd(), .uid = user_uid},
                  [&] {
                      const SockAddr to(public4, dns);
                      for (int i = 0; i < sockets; ++i)
                          send_to(udp_to(public4), query_of(flood, 7), to);
                      ask_until_answered(udp_to(public4), public4, flood);
                  },
                  20s),
              "");
    const std::string name = next_name();
    const Seat seat = world_->container_seat(false);
    EXPECT_EQ(as(
                  {.netns = seat.netns->fd(), .uid = user_uid},
                  [&] {
                      const Fd fd = udp_to(public4);
                      SockAddr own(seat.source4, 0);
                      must(bind(fd.get(), own.get(), own.length) == 0, "bind");
                      ask_until_answered(fd, public4, name);
                  },
                  20s),
              "");
    EXPECT_EQ(as(
                  {.netns = world_->host().fd(), .uid = 0},
                  [&] { ask_until_answered(udp_to(public4), public4, name); }, 20s),
              "");
    for (const std::string &each : {flood, name})
        EXPECT_EQ(clear(each, since), 0u) << each;
}

} // namespace
