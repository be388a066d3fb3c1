// SPDX-License-Identifier: MIT
#include "dns_world.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/tunnel.h"

namespace lk::harness {

const Ip public4 = Ip::of("203.0.113.200"), public6 = Ip::of("2001:db8:f:8000::53");
const Ip tunneled4 = Ip::of("203.0.113.10"), tunneled6 = Ip::of("2001:db8:f::53");
const Ip router4 = Ip::of("10.9.0.1"), router6 = Ip::of("2001:db8:9::1");
const Ip second4 = Ip::of("10.44.0.1");

namespace {

// Any frame of TCP or UDP to port 53, whoever made it.
bool is_query(const Bytes &frame) {
    const auto byte = [&frame](std::size_t at) {
        return at < frame.size() ? static_cast<unsigned char>(frame[at]) : 0u;
    };
    const unsigned type = byte(12) << 8 | byte(13);
    const bool v4 = type == 0x0800;
    if (!v4 && type != 0x86dd) return false;
    const unsigned protocol = byte(14 + (v4 ? 9 : 6));
    const std::size_t at = 14 + (v4 ? (byte(14) & 15) * 4 : 40);
    return (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) && (byte(at + 2) << 8 | byte(at + 3)) == dns;
}

} // namespace

SecondTunnel::SecondTunnel(World &world) : world_(world) {
    const TunnelOptions beside{.port = tunnel_port + 1};
    far_ = start_tunnel_end(world.isp(), "tun1", TunnelEnd::server, beside);
    near_ = start_tunnel_end(world.host(), "tun1", TunnelEnd::client, beside);
    for (const auto &[netns, number] : {std::pair(&world.isp(), 1), std::pair(&world.host(), 2)})
        netns->ip(fmt::format("link set tun1 addrgenmode none\nlink set tun1 up\n"
                              "addr add 10.44.0.{0}/24 dev tun1",
                              number));
    world.host().ip("route add default dev tun1 metric 30");
    resolver_ = start_resolver(world.isp(), {{second4}}, "second");
}

SecondTunnel::~SecondTunnel() {
    resolver_.reset();
    near_.reset();
    far_.reset();
    EXPECT_TRUE(eventually([&] { return world_.host().ifindex("tun1") == 0; }));
}

void DnsTest::make(const WorldOptions &options, const std::vector<std::string> &resolvers,
                   const std::vector<std::string> &more) {
    world_ = std::make_unique<World>(options);
    title_ = options.name;
    attach(resolvers, more);
}

void DnsTest::make(const std::string &name, bool both_resolvers) {
    std::vector<std::string> resolvers = {resolver4.str()};
    if (both_resolvers) resolvers.push_back(resolver6.str());
    make({.name = name, .tunnel = true, .responder = false}, resolvers);
    resolver_ = start_resolver(world_->isp());
    answers_come_by_the_tunnel();
}

void DnsTest::answers_come_by_the_tunnel() {
    const auto never = [&](const char *family, const Ip &from, const char *to) {
        const Output done =
            harness::run({"ip", family, "rule", "add", "from", from.str(), "to", to, "blackhole"},
                         {.netns = world_->isp().fd()});
        ASSERT_EQ(done.status, 0) << done.err;
    };
    for (const char *to : {"10.9.0.0/24", "10.10.0.0/24"})
        never("-4", resolver4, to);
    for (const char *to : {"2001:db8:9::/64", "2001:db8:10::/64"})
        never("-6", resolver6, to);
}

void DnsTest::attach(const std::vector<std::string> &resolvers, const std::vector<std::string> &more) {
    std::vector<std::string> args = {"eth0", "--vpn-user", std::to_string(vpn_uid)};
    for (const std::string &resolver : resolvers)
        args.insert(args.end(), {"--dns", resolver});
    for (const std::string &word : gateway_args())
        args.push_back(word);
    args.insert(args.end(), more.begin(), more.end());
    world_->attach(args);
}

void DnsTest::add(const std::string &sender, const How &how, const std::string &server, const Ip &ip,
                  const Netns &netns) {
    How asked = how;
    asked.word = word_;
    rows_.push_back({sender, server, &netns,
                     [asked, ip](const Bytes &query, std::chrono::milliseconds patience) {
                         How how_long = asked;
                         how_long.patience = patience;
                         ask(how_long, ip, query);
                     },
                     asked.connects()});
}

void DnsTest::add_senders(const Ip &open, const Ip &router, const Ip &inside, const Ip &resolver) {
    const Netns &host = world_->host();
    const bool v4 = open.family == 4, pinned_lose = strict_ && v4;
    const Seat sits = world_->host_seat();
    const Ip &own = v4 ? sits.source4 : sits.source6;
    const std::pair<const char *, How> kinds[] = {
        {"udp", {}},
        {"udp of the uplink's address", {.source = own, .has_source = true}},
        {"tcp of the uplink's address", {.type = SOCK_STREAM, .source = own, .has_source = true}},
        {"udp connected", {.connected = true}},
        {"udp connected, named again", {.connected = true, .named = true}},
        {"tcp", {.type = SOCK_STREAM}},
        {"udp bound to eth0", {.device = "eth0"}},
        {"tcp bound to eth0", {.type = SOCK_STREAM, .device = "eth0"}}};
    for (const auto &[name, how] : kinds) {
        add(name, how, "public", open, host);
        add(name, how, "router", router, host);
        if (pinned_lose && how.device) continue;
        add(name, how, "by default route", inside, host);
        add(name, how, "resolver", resolver, host);
    }
    const Seat nated = world_->container_seat(true), routed = world_->container_seat(false);
    for (int type : {SOCK_DGRAM, SOCK_STREAM})
        for (const Seat *seat : {&nated, &routed}) {
            const How how{.type = type, .source = v4 ? seat->source4 : seat->source6, .has_source = true};
            const std::string name = fmt::format("{} of a container, {}", type == SOCK_DGRAM ? "udp" : "tcp",
                                                 seat == &nated ? "masqueraded" : "routed");
            add(name, how, "public", open, *seat->netns);
            add(name, how, "router", router, *seat->netns);
            add(name, how, "by default route", inside, *seat->netns);
            add(name, how, "resolver", resolver, *seat->netns);
        }
    rows_.push_back(
        {"four at once", "all", &host,
         [=, word = word_](const Bytes &query, std::chrono::milliseconds patience) {
             ask_four({.word = word, .patience = patience}, {open, router, inside, resolver}, query);
         },
         false});
    if (pinned_lose) return;
    rows_.push_back({"four at once, bound to eth0", "all", &host,
                     [=, word = word_](const Bytes &query, std::chrono::milliseconds patience) {
                         ask_four({.device = "eth0", .word = word, .patience = patience},
                                  {open, router, inside, resolver}, query);
                     },
                     false});
}

void DnsTest::filter_reverse_paths(const char *mode) {
    for (const char *key :
         {"ipv4/conf/all/rp_filter", "ipv4/conf/eth0/rp_filter", "ipv4/conf/tun0/rp_filter"})
        world_->host().sysctl(key, mode);
    strict_ = std::string(mode) == "1";
}

void DnsTest::add_both_protocols() {
    for (const Ip &ip : {public4, public6})
        for (const int type : {SOCK_DGRAM, SOCK_STREAM})
            add(type == SOCK_DGRAM ? "udp" : "tcp", {.type = type},
                ip.family == 4 ? "public v4" : "public v6", ip, world_->host());
}

std::pair<std::string, std::chrono::milliseconds> DnsTest::try_row(const Row &row,
                                                                   std::chrono::milliseconds patience) {
    using Clock = std::chrono::steady_clock;
    Capture &capture = world_->capture();
    const Bytes query = fmt::format("lk<dns-{}-{}>", title_, number_++);
    const std::size_t since = capture.position();
    const auto begin = Clock::now();
    const std::string trouble = as({.netns = row.netns->fd(), .uid = 0}, [&] { row.body(query, patience); });
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    const std::size_t queries = in_the_clear(since);
    Mark mark;
    mark.bytes(query);
    const std::size_t clear = capture.count(mark, since) + queries;
    fmt::print("{:<34} {:<18} {:<8} {}\n", row.sender, row.server, clear,
               trouble.empty() ? "answered by whom it asked" : trouble);
    EXPECT_EQ(clear, 0u) << row.sender << " to " << row.server << ": seen in the clear";
    return {trouble, took};
}

void DnsTest::run() {
    fmt::print("{:<34} {:<18} {:<8} {}\n", title_, "asked", "clear", "asker");
    for (const Row &row : rows_)
        EXPECT_EQ(try_row(row, 2s).first, "") << row.sender << " to " << row.server;
    rows_.clear();
    if (HasFailure()) fmt::print("{}", world_->leakbpf({"status"}).out);
}

void DnsTest::run_refused(const std::vector<std::string> &reasons) {
    fmt::print("{:<34} {:<18} {:<8} {}\n", title_ + ", " + reasons.front(), "asked", "clear", "asker");
    const auto refused = [&] {
        std::uint64_t all = 0;
        for (const std::string &reason : reasons)
            all += counted("uplink", reason);
        return all;
    };
    // The follower sees what changed.
    EXPECT_TRUE(eventually([&, &first = rows_.front(), seen = refused()] {
        as({.netns = first.netns->fd(), .uid = 0}, [&] { first.body("a try", 100ms); });
        return refused() > seen;
    }));
    const std::uint64_t before = refused();
    for (const Row &row : rows_) {
        const auto [trouble, took] = try_row(row, row.can_be_told ? 2s : 200ms);
        const std::string what = fmt::format("{} to {}", row.sender, row.server);
        EXPECT_NE(trouble, "") << what;
        if (!row.can_be_told) continue;
        EXPECT_TRUE(trouble.ends_with(strerror(ECONNREFUSED)) || trouble.ends_with(strerror(EPERM)))
            << what << ": " << trouble;
        EXPECT_LT(took, 1s) << what << ": after a second try of the kernel's";
    }
    EXPECT_GE(refused(), before + rows_.size());
    rows_.clear();
    if (HasFailure()) fmt::print("{}", world_->leakbpf({"status"}).out);
}

void DnsTest::goes_down_and_up() {
    add_both_protocols();
    run();
    resolver_.reset();
    world_->tunnel_down();
    add_both_protocols();
    run_refused();
    world_->tunnel_up();
    resolver_ = start_resolver(world_->isp());
    EXPECT_TRUE(comes());
    add_both_protocols();
    run();
}

std::size_t DnsTest::in_the_clear(std::size_t since) {
    Capture &capture = world_->capture();
    capture.settle();
    std::size_t count = 0;
    for (std::size_t i = since; i < capture.position(); ++i)
        count += is_query(capture.frame(i));
    return count;
}

std::uint64_t DnsTest::counted(const std::string &hook, const std::string &reason) const {
    const auto status = nlohmann::json::parse(world_->leakbpf({"--json", "status"}).out);
    for (const auto &count : status["counters"])
        if (count["hook"] == hook && count["reason"] == reason) return count["packets"].get<std::uint64_t>();
    return 0;
}

bool DnsTest::comes(const Ip &server) {
    return eventually([&] { return trouble_of([&] { ask({.word = word_}, server, "comes"); }).empty(); });
}

std::string DnsTest::trouble_of(const std::function<void()> &body) const {
    return as({.netns = world_->host().fd(), .uid = 0}, body);
}

} // namespace lk::harness
