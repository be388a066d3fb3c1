// SPDX-License-Identifier: MIT
#include "leak_case.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/kernel.h"

namespace lk::harness {

int forged_mark = 0x1234;

namespace {

const char *text(Who who) {
    switch (who) {
    case Who::user: return "user";
    case Who::root: return "root";
    case Who::vpn: return "vpn_user";
    case Who::nated: return "container";
    case Who::routed: return "container_routed";
    }
    return "?";
}

constexpr std::uint16_t first_port = 20000;
constexpr int steered_host = 128; // 203.0.113.128/25 and 2001:db8:f:8000::/49 leave by the uplink always

Ip public_host(int family, int number, bool steered) {
    if (family == 4)
        return Ip::of(fmt::format("203.0.113.{}", 1 + number % 125 + (steered ? steered_host : 0)).c_str());
    return Ip::of(fmt::format("2001:db8:f:{:x}::1", number + 1 + (steered ? 0x8000 : 0)).c_str());
}

} // namespace

std::string Case::name() const {
    return fmt::format("{}.v{}.{}.tunnel_{}", vector->name, family, text(who), tunnel ? "up" : "down");
}

static Expect turned(Expect expect, bool turn) {
    if (!turn) return expect;
    return expect == Expect::stays ? Expect::leaves : Expect::stays;
}

Expect Case::expected(Setting setting) const {
    return turned(vector->expect, vector->depends && setting != vector->setting);
}

Expect Special::expected(Setting setting) const {
    return turned(expect, depends && setting == Setting::strict);
}

Sight look(World &world, const std::vector<Mark> &marks, const std::string &trouble, std::size_t since) {
    auto seen = [&](const Mark &mark) { return world.capture().count(mark, since) > 0; };
    world.capture().settle();
    bool all = eventually([&] { return std::ranges::all_of(marks, seen); }, 100ms);
    return {.all = all, .any = std::ranges::any_of(marks, seen), .trouble = trouble};
}

static bool has_protocol(int type, int protocol) {
    return Fd(socket(AF_INET, type | SOCK_CLOEXEC, protocol)).get() >= 0;
}

// What the running kernel may not do for the sender: such a vector is no case there. None: every kernel does.
static std::optional<bool> kernel_can_send(const std::string &vector) {
    static const struct {
        const char *vector;
        int major, minor;
    } needs[] = {
        {"tcp_mptcp", 5, 15},                   // Debian's 5.10 is built without
        {"udp_mark_forged", 5, 17},             // SO_MARK by CAP_NET_RAW
        {"rule_for_a_forged_mark", 5, 17},      // the same
        {"serverip_strict_forged_mark", 5, 17}, // the same
        {"udp_unicast_if_connected", 5, 18},    // the option counts at connect()
        {"kernel_mptcp_subflow", 5, 15},        // the kernel adds subflows that userspace configured
    };
    // Kernels after 6.18 are taking it out.
    if (vector == "udplite") return !kernel_is_at_least(6, 19) || has_protocol(SOCK_DGRAM, IPPROTO_UDPLITE);
    for (const auto &need : needs)
        if (vector == need.vector) return kernel_is_at_least(need.major, need.minor);
    return {};
}

void Matrix::add(Vector vector) {
    if (const auto can = kernel_can_send(vector.name)) {
        const std::string name = vector.name + ".can_be_sent";
        if (std::ranges::find(sendable_, name, &Sendable::name) == sendable_.end()) // some come in two parts
            sendable_.push_back({vector.group, name, *can});
        if (!*can) return;
    }
    const bool guarded = vector.name.find("bypass") != std::string::npos || vector.name.starts_with("xdp_");
    if (guarded && !kernel_is_at_least(5, 15))
        vector.unsendable = "the guard of the other world holds in this one too";
    vectors_.push_back(std::move(vector));
    const Vector &kept = vectors_.back();
    for (int family : kept.families)
        for (Who who : kept.who)
            for (bool tunnel : kept.tunnel)
                cases_.push_back({&kept, static_cast<int>(cases_.size()), family, who, tunnel});
}

void Matrix::add_special(const std::string &group, const std::string &name,
                         const std::function<Sight(Guard &, int)> &body, Expect expect,
                         const std::vector<int> &families, bool depends) {
    for (int family : families)
        specials_.push_back({group, fmt::format("{}.v{}", name, family), expect,
                             [body, family](Guard &guard) { return body(guard, family); }, depends});
}

void add_all_cases(Matrix &matrix) {
    for (auto add : {add_socket_cases, add_kernel_cases, add_frame_cases, add_protocol_cases,
                     add_routing_cases, add_forwarding_cases, add_dns_cases, add_life_cases, add_device_cases,
                     add_pass_cases, add_pass_link_cases})
        add(matrix);
}

Env::Env(const Case &case_, World &world_) : which(case_), world(world_), family(case_.family) {
    bool forwarded = which.who == Who::nated || which.who == Who::routed;
    seat = forwarded ? world.container_seat(which.who == Who::nated) : world.host_seat();
    token = fmt::format("lk<{:05}>{:<8.8}", which.number, which.vector->group);
    port = which.vector->port ? which.vector->port : static_cast<std::uint16_t>(first_port + which.number);
    dst = public_host(family, which.number, true);
    tunneled = public_host(family, which.number, false);
    since = world.capture().position();
    mark.bytes(token);
    if (!which.vector->marked_address) return;
    for (const Ip &ip : {dst, tunneled}) {
        mark.flow(ip, port);
        if (family == 6) mark.bytes(ip.bytes());
    }
}

Bytes Env::payload(std::size_t length) const {
    return length > token.size() ? token + filler(length - token.size()) : token;
}

std::string Env::sender(const std::function<void()> &body) const {
    uid_t uid = which.who == Who::user ? user_uid : which.who == Who::vpn ? vpn_uid : 0;
    return as({.netns = seat.netns->fd(), .uid = uid, .keep_raw = which.vector->raw}, body);
}

std::string Env::sender_as(uid_t uid, const std::function<void()> &body) const {
    return as({.netns = seat.netns->fd(), .uid = uid, .keep_raw = which.vector->raw}, body);
}

Bytes Env::frame(std::uint16_t type, std::string_view data) const {
    return ethernet(seat.next_mac, seat.mac, type, data);
}

std::function<std::string(Env &)> by_sender(std::function<void(const Env &)> body) {
    return [body = std::move(body)](Env &env) { return env.sender([&] { body(env); }); };
}

void fail(const char *what) {
    throw std::runtime_error(fmt::format("{}: {}", what, strerror(errno)));
}

int must(long result, const char *what) {
    if (result < 0) fail(what);
    return static_cast<int>(result);
}

Fd open_socket(const Env &env, int type, int protocol) {
    Fd fd(must(socket(env.family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, protocol), "socket"));
    if (env.which.who == Who::routed || env.which.who == Who::nated) {
        SockAddr local(env.source(), 0);
        must(bind(fd.get(), local.get(), local.length), "bind");
    }
    return fd;
}

int connect_briefly(int fd, const SockAddr &to, int limit_ms) {
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    int error = connect(fd, to.get(), to.length) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        pollfd ready{fd, POLLOUT, 0};
        socklen_t length = sizeof(error);
        error = ETIMEDOUT;
        if (poll(&ready, 1, limit_ms) == 1) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    }
    fcntl(fd, F_SETFL, flags);
    return error;
}

void send_to(int fd, const SockAddr &to, std::string_view data) {
    must(sendto(fd, data.data(), data.size(), MSG_NOSIGNAL, to.get(), to.length), "sendto");
}

void send_token(int fd, const Bytes &token) {
    // The first attempt may only be told what became of an earlier datagram.
    for (int attempt = 0; attempt < 2; attempt++)
        if (send(fd, token.data(), token.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return;
}

Bytes receive(int fd, int limit_ms) {
    pollfd ready{fd, POLLIN, 0};
    if (poll(&ready, 1, limit_ms) != 1) throw std::runtime_error("no answer came");
    Bytes data(1 << 16, 0);
    data.resize(static_cast<std::size_t>(must(recv(fd, data.data(), data.size(), 0), "recv")));
    return data;
}

} // namespace lk::harness
