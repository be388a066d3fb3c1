// SPDX-License-Identifier: MIT
#include "chaos/actions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string_view>

#include "chaos/policy.h"
#include "harness/process.h"

namespace lk::chaos {

using harness::Output;

namespace {

void sleep_us(std::uint64_t us) {
    const timespec rest{static_cast<time_t>(us / second), static_cast<long>(us % second) * 1000};
    nanosleep(&rest, nullptr);
}

} // namespace

void Actions::attach() {
    const Output done = filter_.run(policy_words());
    if (done.status != 0) throw std::runtime_error("the first attach failed: " + done.err);
    story_.guarded_from = ledger_.now();
}

void Actions::pause() {
    // Where nobody follows, what came must be seen to stay open.
    sleep_us(options_.fault == Fault::follower ? 300'000 : below(30'000));
}

void Actions::run(Act act) {
    const auto place = static_cast<std::size_t>(act);
    Step step{ledger_.now(), 0, ""};
    switch (act) {
    case Act::replace: step.what = replace(); break;
    case Act::kill_attach: step.what = kill_attach(); break;
    case Act::kill_follow: step.what = kill_follow(); break;
    case Act::recreate: step.what = recreate(); break;
    case Act::rename: step.what = rename(); break;
    case Act::bounce: step.what = bounce(); break;
    case Act::plug: step.what = plug(); break;
    case Act::flush: step.what = flush(); break;
    case Act::move: step.what = move(); break;
    case Act::upgrade: step.what = upgrade(); break;
    case Act::burst: step.what = burst(); break;
    }
    step.what = fmt::format("{}: {}", act_kinds[place].name, step.what);
    step.to = ledger_.now();
    if (options_.verbose)
        fmt::print("{:>11.3f} .. {:.3f} ms  {}\n", step.from / 1000.0, step.to / 1000.0, step.what);
    story_.steps.push_back(std::move(step));
    ++times_[place];
}

// Another policy each time, by which the allowed flows are allowed; by a configuration every third time.
std::vector<std::string> Actions::policy_words() {
    Asked asked;
    asked.hook = options_.hook;
    asked.interfaces.push_back("eth0");
    if (plugged_) asked.interfaces.push_back("eth1");
    for (const Flow &flow : flows())
        if (flow.allowed && !flow.tcp) asked.gateways.push_back(flow.dst.str());
    const std::uint64_t more = below(20) == 0 ? 1000 : below(30);
    for (std::uint64_t i = 0; i < more; ++i)
        asked.gateways.push_back(
            fmt::format("198.51.{}.{}{}", 101 + below(100), below(256), below(2) ? ":1194/udp" : ""));
    if (below(4) == 0) asked.gateways.push_back(fmt::format("198.51.{}.0/24", 101 + below(100)));
    asked.no_lan = below(4) == 0;
    asked.drop = below(4) == 0;
    std::vector<std::string> words =
        below(3) == 0 ? filter_.apply_words(configuration(asked)) : attach_words(asked);
    if (options_.fault == Fault::follower) words.push_back("--no-follow");
    return words;
}

std::string Actions::replace() {
    const auto words = policy_words();
    const Micros began = ledger_.now();
    const Output done = filter_.run(words);
    attach_time_ = ledger_.now() - began;
    if (done.status != 0)
        story_.failures.push_back(
            fmt::format("leakbpf {}: exit status {}\n{}", words.front(), done.status, done.err));
    return words.front();
}

void Actions::ensure_follower() {
    if (options_.fault != Fault::none || filter_.follower()) return; // with nothing attached none could start
    if (below(2))
        filter_.start_follower();
    else
        replace();
}

std::string Actions::kill_attach() {
    const bool other_build = below(4) == 0;
    if (other_build) filter_.upgrade(++upgrades_);
    const std::uint64_t after = below(attach_time_ + attach_time_ / 4);
    const auto words = policy_words();
    const bool late = filter_.run_and_kill(words, std::chrono::microseconds(after));
    return fmt::format("{} {}after {} us{}", words.front(), other_build ? "of another build " : "", after,
                       late ? ", when it was done" : "");
}

// In the middle of a turn, mostly; then another one sooner or later.
std::string Actions::kill_follow() {
    ensure_follower();
    const bool turn = below(4) != 0;
    if (turn) world_.host().ip(fmt::format("addr add 10.66.{}.{}/32 dev eth0", below(256), below(256)));
    const std::uint64_t after = below(turn ? 8'000 : 1'000);
    sleep_us(after);
    filter_.kill_follower();
    const bool again = below(2);
    if (again) ensure_follower();
    return fmt::format("{} us after {}{}", after, turn ? "an address came" : "nothing",
                       again ? ", and started again" : "");
}

Window Actions::begin(const char *kind, int uplink, bool appeared) const {
    Window window;
    window.kind = kind;
    window.uplink = uplink;
    window.appeared = appeared;
    window.pinned = uplink == 0;
    window.roaming = uplink == 1 || !plugged_;
    window.from = ledger_.now();
    return window;
}

// What was sent by FLOW a moment ago, and after SINCE, arrived whole (or none of it on UPLINK, where it is
// forbidden).
bool Actions::is_calm(std::size_t flow, const Window &window, Micros since) const {
    constexpr Micros on_its_way = 3'000, looked_at = 45'000; // longer than a turn of the follower
    const Micros now = ledger_.now();
    if (now < since + looked_at) return false;
    bool seen = false;
    for (std::uint64_t number = ledger_.shared().sent[flow]; number-- > 0;) {
        const Packet &packet = ledger_.packet(flow, number);
        if (packet.sent + on_its_way > now) continue;
        if (packet.sent + looked_at < now) break;
        if (flows()[flow].allowed ? packet.arrived == 0
                                  : packet.arrived != 0 && packet.uplink == window.uplink)
            return false;
        seen = true;
    }
    return seen;
}

void Actions::restored(Window window) {
    constexpr std::chrono::seconds limit{4};
    window.restored = ledger_.now();
    // The second gate keeps a device calm that has no hook yet.
    if (window.appeared && !harness::eventually([&] { return filter_.guards(window.uplink); }, limit))
        story_.failures.push_back(fmt::format("{} at {:.3f} ms, and no hook was put on it:\n{}", window.kind,
                                              window.restored / 1000.0, filter_.state()));
    const Micros hooked = ledger_.now();
    const bool calm = harness::eventually(
        [&] {
            for (std::size_t flow = 0; flow < flows().size(); ++flow) {
                const Flow &each = flows()[flow];
                const bool of_it = each.path == Path::pinned ? window.pinned : window.roaming;
                if (of_it && !is_calm(flow, window, hooked)) return false;
            }
            return true;
        },
        limit);
    window.settled = ledger_.now();
    story_.windows.push_back(window);
    if (!calm)
        story_.failures.push_back(
            fmt::format("{} at {:.3f} ms, and after 4 s not all is as it should be:\n{}", window.kind,
                        window.restored / 1000.0, filter_.state()));
}

std::string Actions::recreate() {
    ensure_follower();
    Window window = begin("made again", 0, true);
    world_.unplug(0);
    const std::uint64_t gone = below(2) ? 0 : below(50'000);
    sleep_us(gone);
    world_.plug(0);
    restored(window);
    return fmt::format("gone for {} us", gone);
}

std::string Actions::rename() {
    Window away = begin("renamed", 0);
    world_.host().ip("link set eth0 down\nlink set eth0 name wan0");
    world_.configure(0, "wan0");
    restored(away);
    Window back = begin("renamed", 0);
    world_.host().ip("link set wan0 down\nlink set wan0 name eth0");
    world_.configure(0, "eth0");
    restored(back);
    return "to wan0 and back";
}

std::string Actions::bounce() {
    const Window window = begin("down and up", 0);
    world_.host().ip("link set eth0 down");
    const std::uint64_t down = below(2) ? 0 : below(30'000);
    sleep_us(down);
    world_.configure(0, "eth0");
    restored(window);
    return fmt::format("down for {} us", down);
}

std::string Actions::plug() {
    ensure_follower();
    const auto pull = [this] {
        const Window window = begin("unplugged", 1);
        plugged_ = false;
        world_.unplug(1);
        restored(window);
    };
    if (plugged_) pull();
    const Window window = begin("plugged in", 1, true);
    world_.plug(1);
    plugged_ = true;
    restored(window);
    const bool stays = below(2);
    if (!stays) pull();
    return stays ? "eth1 stays" : "eth1, and pulled";
}

// What is flushed was there, or it would be no test; and what fails is told.
void Actions::tool(const char *script) {
    const Output done = harness::run({"sh", "-ec", script}, {.netns = world_.host().fd()});
    if (done.status != 0)
        story_.failures.push_back(fmt::format("{}: exit status {}\n{}", script, done.status, done.err));
}

namespace {

struct Flush {
    const char *prepare, *flush;
};
constexpr const char *ruleset =
    "nft 'add table inet lk_other; add chain inet lk_other out { type filter hook "
    "output priority 0; }; add rule inet lk_other out counter accept'";
constexpr const char *clsact =
    "tc qdisc add dev eth0 clsact 2>/dev/null || tc qdisc show dev eth0 | grep clsact";
constexpr Flush flushes[] = {
    {ruleset, "nft flush ruleset"},
    {ruleset, "nft 'flush ruleset; add table inet lk_other'"},
    {clsact, "tc qdisc del dev eth0 clsact"},
    {"tc qdisc replace dev eth0 root pfifo", "tc qdisc del dev eth0 root"},
    {clsact, "tc filter del dev eth0 egress"},
    {"iptables -A OUTPUT -j ACCEPT", "iptables -F"}, // the last: not every kernel has it
};

} // namespace

std::string Actions::flush() {
    if (!has_iptables_)
        has_iptables_ = harness::run({"iptables", "-S"}, {.netns = world_.host().fd()}).status == 0;
    const Flush &chosen = flushes[below(std::size(flushes) - (*has_iptables_ ? 0 : 1))];
    const bool by_tc = std::string_view(chosen.flush).starts_with("tc");
    if (by_tc && options_.hook == "clsact") {
        ensure_follower();
        Window window = begin("taken off clsact", 0, true);
        window.pinned = window.roaming = false; // nothing is closed by it
        tool(chosen.prepare);
        tool(chosen.flush);
        window.restored = ledger_.now();
        story_.windows.push_back(window);
        return chosen.flush;
    }
    // The kernel stops a device's queues for a moment whenever a qdisc of it comes or goes, clsact too.
    const Window window = begin("given other qdiscs by tc", 0);
    tool(chosen.prepare);
    tool(chosen.flush);
    if (by_tc) restored(window);
    return chosen.flush;
}

std::string Actions::move() {
    const Window window = begin("moved and back", 0);
    world_.host().ip("link set eth0 netns " + world_.elsewhere().name());
    const std::uint64_t away = below(2) ? 0 : below(30'000);
    sleep_us(away);
    world_.elsewhere().ip("link set eth0 netns " + world_.host().name());
    world_.configure(0, "eth0");
    restored(window);
    return fmt::format("away for {} us", away);
}

std::string Actions::upgrade() {
    filter_.upgrade(++upgrades_);
    return "build " + std::to_string(upgrades_) + ", " + replace();
}

std::string Actions::burst() {
    std::string add, remove;
    const auto both = [&](const std::string &command, const std::string &rest) {
        add += fmt::format("{} add {}\n", command, rest);
        remove += fmt::format("{} del {}\n", command, rest);
    };
    const bool stopped = below(2);
    const pid_t follower = stopped ? filter_.follower().value_or(0) : 0;
    for (unsigned i = 0; i < (stopped ? 20'000u : 2'000u); ++i)
        both("route",
             fmt::format("10.{}.{}.{}/32 via 10.9.0.1 dev eth0", 100 + i / 65536, i / 256 % 256, i % 256));
    for (unsigned i = 0; i < 500; ++i)
        both("addr", fmt::format("10.77.{}.{}/32 dev eth0", i / 256, i % 256));
    for (unsigned i = 0; i < 10; ++i)
        add += fmt::format("link add burst{0} type veth peer name tsrub{0}\n", i),
            remove += fmt::format("link del burst{}\n", i);
    if (follower) kill(follower, SIGSTOP);
    world_.host().ip(add);
    world_.host().ip(remove);
    if (!follower) return "of routes, addresses and links";
    const unsigned long lost = filter_.overruns(follower);
    overruns_ += lost > 0;
    kill(follower, SIGCONT);
    return fmt::format("to a stopped follower, which lost {} messages", lost);
}

} // namespace lk::chaos
