// SPDX-License-Identifier: MIT
// What is lost and what leaks while the policy is replaced again and again, under two floods: one that every
// policy allows, one that none does. The far side counts.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <new>

#include <fmt/format.h>

#include "bench/speed_commands.h"
#include "bench/speed_parts.h"
#include "bench/speed_port.h"
#include "harness/must.h"
#include "harness/sender.h"

namespace lk::bench {

using namespace harness;
using namespace std::string_literals;

namespace {

constexpr unsigned replacements = 40, few_replacements = 5, gateways = 100;
constexpr unsigned per_tick = 10; // a tick is 100 us: 0.1 million in a second
constexpr long tick_ns = 100'000;
constexpr std::uint64_t between = 5'000;          // packets of each flood from one replacement to the next
constexpr std::uint64_t most_packets = 4'000'000; // of each flood, however long all takes

struct Counters {
    std::atomic<std::uint64_t> sent{0}, refused{0}; // refused: send() said so
    std::atomic<bool> stop{false}, stopped{false};
};

Counters *shared_counters() {
    void *memory = mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap"s);
    return new (memory) Counters;
}

// As near to the rate as the machine lets it; what it is late by is not made up for.
void flood(const Ip &to, Counters &counters) {
    prctl(PR_SET_TIMERSLACK, 1);
    const Fd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const SockAddr address(to, LK_SPEED_PORT);
    must(connect(fd.get(), address.get(), address.length) == 0, "connect"s);
    const Bytes payload = filler(64);
    const timespec tick{0, tick_ns / 2};
    while (!counters.stop && counters.sent < most_packets) {
        for (unsigned i = 0; i < per_tick; ++i) {
            if (send(fd.get(), payload.data(), payload.size(), MSG_DONTWAIT) < 0) ++counters.refused;
            ++counters.sent;
        }
        nanosleep(&tick, nullptr);
    }
    counters.stopped = true;
}

class Flood {
  public:
    Flood(const SpeedWorld &world, const Ip &to)
        : counters_(shared_counters()), sender_(Identity{.netns = world.host_fd()}, [&](const auto &ready) {
              world.enter_cgroup();
              ready();
              flood(to, *counters_);
          }) {}
    ~Flood() { munmap(counters_, sizeof(Counters)); }
    Flood(const Flood &) = delete;
    Flood &operator=(const Flood &) = delete;

    std::uint64_t sent() const { return counters_->sent; }
    std::uint64_t refused() const { return counters_->refused; }
    void stop() {
        counters_->stop = true;
        must(eventually([this] { return counters_->stopped.load(); }), "stopping a flood"s);
    }

  private:
    Counters *counters_;
    Helper sender_;
};

struct Tally {
    unsigned replaced = 0;
    std::uint64_t allowed = 0, arrived = 0, forbidden = 0, leaked = 0;
    std::uint64_t dropped() const { return allowed > arrived ? allowed - arrived : 0; }
};

// LOADER's policy from before the floods to their end; none: nothing is in force, and all arrives.
Tally measure(const SpeedWorld &world, const Loader *loader, unsigned count) {
    constexpr unsigned allowed_byte = 7, forbidden_byte = 200; // of the addresses below
    if (loader) run_ms(world, loader->load(world, policy_of(gateways, 1)));
    const std::uint64_t arrived = world.arrived(allowed_byte), leaked = world.arrived(forbidden_byte);
    Flood allowed(world, gateway4), forbidden(world, Ip::of("203.0.113.200"));
    Tally tally;
    for (; tally.replaced < count && allowed.sent() < most_packets; ++tally.replaced) {
        const std::uint64_t until = allowed.sent() + between, and_until = forbidden.sent() + between;
        if (loader) run_ms(world, loader->replace(world, policy_of(gateways, 1, 1 + tally.replaced)));
        must(eventually([&] { return allowed.sent() >= until && forbidden.sent() >= and_until; }),
             "the floods"s);
    }
    allowed.stop();
    forbidden.stop();
    tally.allowed = allowed.sent();
    tally.forbidden = forbidden.sent();
    tally.arrived = world.arrived(allowed_byte) - arrived;
    tally.leaked = world.arrived(forbidden_byte) - leaked;
    if (loader) run_ms(world, loader->unload(world));
    return tally;
}

void fill(const std::string &title, const Tally &tally, Sheet &sheet) {
    const auto put = [&](const char *column, std::uint64_t value) {
        sheet.put(title, column, {static_cast<double>(value), 0});
    };
    put("replaced", tally.replaced);
    put("allowed packets", tally.allowed);
    put("dropped", tally.dropped());
    put("forbidden packets", tally.forbidden);
    put("leaked", tally.leaked);
}

} // namespace

void measure_replace(const Plan &plan, SpeedReport &report) {
    Sheet sheet{.part = "replace", .title = "Replacing a policy of 100 gateways under two floods"};
    const unsigned count = plan.brief ? few_replacements : replacements;
    Contest contest({unfiltered(false)});
    fill("no filter", measure(contest.world(0), nullptr, count), sheet);
    for (const Loader &loader : loaders()) {
        if (loader.name == "leakbpf-alone" || !installed(loader.title, loader.tools, sheet)) continue;
        const Tally tally = measure(contest.world(0), &loader, count);
        fill(loader.title, tally, sheet);
        if (loader.name != "leakbpf") continue;
        report.goals.push_back({"replace.dropped",
                                "dropped while replacing, of what is allowed",
                                {static_cast<double>(tally.dropped()), 0},
                                0});
        report.goals.push_back(
            {"replace.leaked", "leaked while replacing", {static_cast<double>(tally.leaked), 0}, 0});
    }
    report.sheets.push_back(std::move(sheet));
}

} // namespace lk::bench
