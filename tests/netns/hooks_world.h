// SPDX-License-Identifier: MIT
// The world of the hooks_* tests: a host whose resolver sits behind a tunnel device, and servers that say by
// which address and port they were asked. What leaves the uplink is judged by the real program.
//
//   isp up0 --- host up0 (uplink, default routes)      10.9.0.1, 198.51.100.x, 2001:db8:7::x
//   vpn vpn0 --- host vpn0 (an uplink left alone;      10.43.0.1, 2001:db8:43::1: the resolver
//                     one policy: --tunnel)
//   ct in0 --- host in0 (an inside device)             10.10.0.2, 2001:db8:a::2
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>

#include "harness/bytes.h"
#include "harness/netns.h"
#include "harness/process.h"
#include "harness/sandbox.h"
#include "harness/sender.h"
#include "kernel/kernel_maps.h"
#include "kernel/pins.h"
#include "kernel/state.h"
#include "net/netns.h"
#include "netns/hooks_cases.h"

namespace lk::harness {

inline std::string text_of(const SockAddr &address) {
    char text[INET6_ADDRSTRLEN] = "?";
    const auto *v6 = reinterpret_cast<const sockaddr_in6 *>(address.get());
    const auto *v4 = reinterpret_cast<const sockaddr_in *>(address.get());
    const bool is6 = address.storage.ss_family == AF_INET6;
    inet_ntop(address.storage.ss_family,
              is6 ? static_cast<const void *>(&v6->sin6_addr) : static_cast<const void *>(&v4->sin_addr),
              text, sizeof(text));
    return fmt::format("{}:{}", text, ntohs(is6 ? v6->sin6_port : v4->sin_port));
}

// "ADDRESS:PORT" of the other end, or an empty text.
inline std::string peer_of(int fd) {
    SockAddr peer;
    peer.length = sizeof(peer.storage);
    return getpeername(fd, peer.get(), &peer.length) == 0 ? text_of(peer) : "";
}

class HookWorld {
  public:
    explicit HookWorld(const std::string &name);
    ~HookWorld() { leakbpf(host_.fd(), {"detach", "--all"}); }

    Netns &host() { return host_; }
    Netns &isp() { return isp_; }

    // Puts the policy NAME of hook_policies() in force, unless it is.
    void attach(const std::string &name);
    std::uint64_t count(lk_hook hook, lk_reason reason) const;
    std::optional<lk_mark> mark(const Fd &socket) const;
    // The calling process as the hooks count it: not in the sandbox's pid namespace, but from outside. Attach
    // first.
    std::uint32_t kernel_pid() const;

    // Calls BODY with the calling thread in MAKER's namespace and cgroup.
    void inside(Maker maker, const std::function<void()> &body) const;
    // A socket that belongs to MAKER; in its namespace already.
    static Fd socket(Maker maker, int family, int type);

  private:
    Netns isp_, vpn_, ct_, host_;
    std::string vpn_cgroup_ = Sandbox::current().cgroup_root() + "/hooks-vpn";
    Place place_;
    std::string policy_;
    std::vector<std::unique_ptr<Helper>> servers_;

    void plug(Netns &far, const std::string &device, const std::string &net4, const std::string &net6,
              int near_host);
    void serve(const Netns &netns, const std::vector<const char *> &addresses,
               const std::vector<std::uint16_t> &ports);
};

// What came of one connect: who answered ("10.43.0.1:53", "refused", "unreachable" or an error's text), what
// getpeername showed, and from whom a datagram seemed to come.
struct Asked {
    std::string end, peer, from;
};

// Connects FD, sends a query, takes the answer.
inline Asked ask(int fd, const SockAddr &to, int type, bool named = false) {
    const timeval limit{3, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    const auto failed = [](const char *what) -> std::string {
        if (errno == ECONNREFUSED) return "refused";
        if (errno == ENETUNREACH) return "unreachable";
        return fmt::format("{}: {}", what, strerror(errno));
    };
    if (connect(fd, to.get(), to.length) < 0) return {failed("connect"), "", ""};
    Asked asked{"", peer_of(fd), ""};
    if (type == SOCK_DGRAM && sendto(fd, "?", 1, 0, named ? to.get() : nullptr, named ? to.length : 0) < 0)
        return {failed("send"), asked.peer, ""};
    char answer[64];
    SockAddr from;
    from.length = sizeof(from.storage);
    const ssize_t got = recvfrom(fd, answer, sizeof(answer), 0, from.get(), &from.length);
    if (got >= 0 && from.length > 0) asked.from = text_of(from);
    asked.end = got < 0 ? failed("recv") : std::string(answer, static_cast<std::size_t>(got));
    return asked;
}

inline HookWorld::HookWorld(const std::string &name)
    : isp_("lk-" + name + "-isp"), vpn_("lk-" + name + "-vpn"), ct_("lk-" + name + "-ct"),
      host_("lk-" + name + "-host") {
    plug(isp_, "up0", "10.9.0.", "2001:db8:9::", 2);
    plug(vpn_, "vpn0", "10.43.0.", "2001:db8:43::", 2);
    host_.ip("route add default dev vpn0 metric 4000"); // or it would be an inside device
    plug(ct_, "in0", "10.10.0.", "2001:db8:a::", 1);
    host_.ip("route add default via 10.9.0.1 dev up0\nroute add default via 2001:db8:9::1 dev up0");
    const std::vector<const char *> outside = {"198.51.100.53", "198.51.100.7",   "198.51.100.8",
                                               "198.51.100.9",  "2001:db8:7::53", "2001:db8:7::7",
                                               "2001:db8:7::8"};
    isp_.ip("addr add fe80::53/64 dev up0 nodad");
    for (const char *address : outside)
        isp_.ip(fmt::format("addr add {} dev lo{}", address, strchr(address, ':') ? " nodad" : ""));
    serve(isp_, outside, {53, 80});
    serve(isp_, {"10.9.0.1", "2001:db8:9::1"}, {53});
    serve(vpn_, {"10.43.0.1", "2001:db8:43::1"}, {53, 5353});
    serve(ct_, {"10.10.0.2", "2001:db8:a::2"}, {53});
    serve(host_,
          {"127.0.0.1", "127.0.0.53", "::1", "10.9.0.2", "2001:db8:9::2", "10.10.0.1", "2001:db8:a::1"},
          {53});
    place_.bpffs = Sandbox::current().bpffs();
    place_.cgroup_root = Sandbox::current().cgroup_root();
    host_.inside([&] { place_.netns_cookie = netns_cookie().value(); });
    mkdir(vpn_cgroup_.c_str(), 0755); // it may be there: tests share the sandbox
}

inline void HookWorld::plug(Netns &far, const std::string &device, const std::string &net4,
                            const std::string &net6, int near_host) {
    const int far_host = 3 - near_host;
    host_.ip(fmt::format(
        "link add {0} type veth peer name {0} netns {1}\nlink set {0} up\naddr add {2}{4}/24 dev {0}\n"
        "addr add {3}{4}/64 dev {0} nodad",
        device, far.name(), net4, net6, near_host));
    far.ip(fmt::format("link set {0} up\naddr add {1}{3}/24 dev {0}\naddr add {2}{3}/64 dev {0} nodad",
                       device, net4, net6, far_host));
}

inline void HookWorld::serve(const Netns &netns, const std::vector<const char *> &addresses,
                             const std::vector<std::uint16_t> &ports) {
    servers_.push_back(
        std::make_unique<Helper>(Identity{.netns = netns.fd()}, [&](const std::function<void()> &ready) {
            std::vector<pollfd> waits;
            std::vector<std::string> names;
            for (const char *address : addresses)
                for (const std::uint16_t port : ports)
                    for (const int type : {SOCK_DGRAM, SOCK_STREAM}) {
                        const SockAddr own(Ip::of(address), port);
                        const int fd = ::socket(own.storage.ss_family, type | SOCK_CLOEXEC, 0), on = 1;
                        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
                        if (bind(fd, own.get(), own.length) < 0 || (type == SOCK_STREAM && listen(fd, 8) < 0))
                            throw std::runtime_error(fmt::format("server {}: {}", address, strerror(errno)));
                        waits.push_back({fd, POLLIN, 0});
                        names.push_back(text_of(own));
                    }
            ready();
            while (poll(waits.data(), waits.size(), -1) >= 0)
                for (std::size_t i = 0; i < waits.size(); ++i) {
                    if (waits[i].revents == 0) continue;
                    if (i % 2 == 1) { // TCP, as listed above
                        const Fd peer(accept(waits[i].fd, nullptr, nullptr));
                        send(peer.get(), names[i].data(), names[i].size(), MSG_NOSIGNAL);
                        continue;
                    }
                    SockAddr from;
                    from.length = sizeof(from.storage);
                    char query[64];
                    if (recvfrom(waits[i].fd, query, sizeof(query), 0, from.get(), &from.length) >= 0)
                        sendto(waits[i].fd, names[i].data(), names[i].size(), 0, from.get(), from.length);
                }
        }));
}

inline void HookWorld::attach(const std::string &name) {
    if (policy_ == name) return;
    std::vector<std::string> args = {
        "attach", "up0", "--no-follow", "--vpn-user", std::to_string(vpn_uid), "--vpn-cgroup", vpn_cgroup_};
    for (const char *gateway :
         {"198.51.100.7", "198.51.100.8:53", "198.51.100.9:53/udp", "2001:db8:7::7", "[2001:db8:7::8]:53"})
        args.insert(args.end(), {"--gw", gateway});
    bool portal = false;
    for (const HookPolicy &policy : hook_policies())
        if (policy.name == name) {
            args.insert(args.end(), policy.args.begin(), policy.args.end());
            portal = policy.portal;
        }
    Output output = leakbpf(host_.fd(), args, 60s);
    if (output.status != 0) throw std::runtime_error("attach: " + output.err);
    if (portal)
        output =
            leakbpf(host_.fd(), {"portal", "30m", "--router", "10.9.0.1", "--router", "2001:db8:9::1"}, 60s);
    if (output.status != 0) throw std::runtime_error("portal: " + output.err);
    policy_ = name;
}

inline std::uint64_t HookWorld::count(lk_hook hook, lk_reason reason) const {
    std::uint64_t calls = 0;
    host_.inside([&] {
        const auto state = State::find(place_);
        if (!state || !*state) throw std::runtime_error("no state");
        calls = (*state)->counters().value()[hook][reason].packets;
    });
    return calls;
}

inline std::optional<lk_mark> HookWorld::mark(const Fd &socket) const {
    const auto maps = KernelMaps::open(Pins{place_.directory()}.maps());
    if (!maps) throw std::runtime_error(maps.error().message);
    lk_mark value{};
    if (!maps->marks.lookup(socket.get(), value)) return std::nullopt;
    return value;
}

inline std::uint32_t HookWorld::kernel_pid() const {
    std::uint32_t pid = 0;
    host_.inside([&] {
        const auto found = mark(socket(Maker::user, AF_INET, SOCK_DGRAM));
        pid = found ? found->pid : 0;
    });
    return pid;
}

inline void HookWorld::inside(Maker maker, const std::function<void()> &body) const {
    const auto move_to = [](const std::string &cgroup) {
        std::ofstream file(cgroup + "/cgroup.procs");
        if (!(file << getpid() << std::flush)) throw std::runtime_error("cannot move to " + cgroup);
    };
    if (maker == Maker::vpn_cgroup) move_to(vpn_cgroup_);
    (maker == Maker::other_netns ? isp_ : host_).inside(body);
    if (maker == Maker::vpn_cgroup) move_to(Sandbox::current().cgroup_root());
}

inline Fd HookWorld::socket(Maker maker, int family, int type) {
    // The socket belongs to whoever the maker is at this moment.
    const uid_t uid = maker == Maker::vpn_user ? vpn_uid : user_uid;
    if (setresuid(uid, uid, 0) != 0) throw std::runtime_error("setresuid");
    Fd fd(::socket(family, type | SOCK_CLOEXEC, 0));
    const int error = errno;
    if (setresuid(0, 0, 0) != 0) throw std::runtime_error("setresuid back");
    if (!fd) throw std::runtime_error(fmt::format("socket: {}", strerror(error)));
    return fd;
}

} // namespace lk::harness
