// SPDX-License-Identifier: MIT
#include "chaos/roam.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "bench/flip_world.h"
#include "harness/process.h"
#include "harness/rtnl.h"
#include "harness/sandbox.h"
#include "harness/walk.h"
#include "kernel/kernel_maps.h"
#include "kernel/pins.h"

namespace lk::chaos {

using namespace std::chrono_literals;
using bench::Clock;
using bench::FlipWorld;
using harness::Ip;

namespace {

constexpr unsigned most_resident_kb = 30 * 1024, most_growth_kb = 1024;
constexpr double most_idle = 0.01; // of a core

std::string contents(const std::filesystem::path &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// The number behind NAME in a text of lines «NAME: NUMBER».
unsigned long number_of(const std::string &text, const std::string &name) {
    const auto at = text.find(name);
    return at == std::string::npos ? 0 : std::stoul(text.substr(at + name.size()));
}

struct Holdings {
    unsigned long resident_kb = 0, descriptors = 0, maps = 0, pins = 0, rows = 0;
};

// Of the follower, and of the state in the kernel that it keeps.
Holdings holdings(pid_t follower, const Place &place) {
    Holdings held;
    const std::filesystem::path proc = fmt::format("/proc/{}", follower);
    held.resident_kb = number_of(contents(proc / "status"), "VmRSS:");
    std::set<unsigned long> maps;
    for (const auto &entry : std::filesystem::directory_iterator(proc / "fdinfo")) {
        ++held.descriptors;
        if (const unsigned long id = number_of(contents(entry.path()), "map_id:")) maps.insert(id);
    }
    for (const auto &path : harness::all_below(place.bpffs))
        held.pins += path.extension() != ".debug";
    const auto state = KernelMaps::open(Pins{place.directory()}.maps());
    if (!state) throw std::runtime_error(state.error().message);
    const auto count = [&held](auto &&...) { ++held.rows; };
    std::set<std::uint8_t> tables; // each is a map by itself
    const auto count_gateway = [&](std::uint8_t table, const lk_gw_row &) {
        tables.insert(table);
        ++held.rows;
    };
    if (!state->net.for_each(count) || !state->gw_net.for_each(count) || !state->gw_port.for_each(count) ||
        !state->gw.for_each(count_gateway))
        throw std::runtime_error("the rows in the kernel cannot be counted");
    held.maps = maps.size() + tables.size();
    return held;
}

double processor_seconds(pid_t pid) {
    const std::string stat = contents(fmt::format("/proc/{}/stat", pid));
    std::istringstream words(stat.substr(stat.rfind(')') + 1));
    std::string word;
    double ticks = 0;
    for (int field = 3; words >> word && field <= 15; ++field)
        if (field >= 14) ticks += std::stod(word); // utime and stime
    return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// The part of a core that the follower takes while nothing happens.
double idle_load(pid_t follower, unsigned seconds) {
    const double before = processor_seconds(follower);
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    return (processor_seconds(follower) - before) / seconds;
}

class Roamer {
  public:
    Roamer(FlipWorld &world, std::uint64_t seed)
        : world_(world), rtnl_(world.host()), random_(seed), first_(world.host().ifindex("up0")) {}

    // Where it always comes back to.
    void home() {
        leave();
        if (renamed_) rename();
        if (world_.host().ifindex("spare") != 0) world_.host().ip("link del spare");
    }

    // One or two events; how many.
    unsigned step() {
        const auto what = random_() % 1000;
        if (what < 2) return plug();
        if (what < 6) return rename();
        if (what < 300) return reroute();
        return arrive();
    }

  private:
    FlipWorld &world_;
    harness::Rtnl rtnl_;
    std::mt19937_64 random_;
    int first_;
    std::optional<Ip> address_;
    std::optional<Ip> route_;
    bool renamed_ = false;

    Ip somewhere(const char *format) {
        return Ip::of(fmt::format(fmt::runtime(format), random_() % 256, random_() % 256).c_str());
    }

    unsigned leave() {
        unsigned events = 0;
        if (route_) rtnl_.route(false, first_, *route_, 24, 900), ++events;
        route_.reset();
        if (address_) rtnl_.address(false, first_, *address_, 24), ++events;
        address_.reset();
        return events;
    }

    // In another LAN, whose addresses may be public.
    unsigned arrive() {
        const unsigned events = leave();
        address_ = somewhere(random_() % 8 ? "10.{}.{}.9" : "203.0.{}.{}");
        rtnl_.address(true, first_, *address_, 24);
        return events + 1;
    }

    unsigned reroute() {
        unsigned events = 1;
        if (route_) rtnl_.route(false, first_, *route_, 24, 900), ++events;
        route_ = somewhere("172.{}.{}.0");
        rtnl_.route(true, first_, *route_, 24, 900);
        return events;
    }

    // A second uplink, instead of the last one.
    unsigned plug() {
        rtnl_.route(true, world_.make_spare(), Ip{}, 0, 4000);
        return 3;
    }

    unsigned rename() {
        const std::string from = renamed_ ? "wan7" : "up0", to = renamed_ ? "up0" : "wan7";
        world_.host().ip(fmt::format("link set {} name {}", from, to));
        renamed_ = !renamed_;
        return 1;
    }
};

// Nothing was committed for half a second.
void await_quiet(const bench::WordWatch &word) {
    std::uint32_t epoch = word.epoch();
    auto since = Clock::now();
    while (Clock::now() - since < 500ms) {
        std::this_thread::sleep_for(20ms);
        if (word.epoch() == epoch) continue;
        epoch = word.epoch();
        since = Clock::now();
    }
}

pid_t follower_of(const Place &place) {
    auto state = State::find(place);
    const auto pid = state && *state ? (*state)->follower() : std::nullopt;
    if (!pid) throw std::runtime_error("no follower lives");
    return *pid;
}

void print(const char *when, const Holdings &held) {
    fmt::print("{:<16} {:>12} {:>12} {:>6} {:>6} {:>6}\n", when, held.resident_kb, held.descriptors,
               held.maps, held.pins, held.rows);
}

} // namespace

int roam(const RoamOptions &options) {
    fmt::print("roam: {} events, {} guarded devices, seed {}\n", options.events, options.devices,
               options.seed);
    fflush(stdout);
    FlipWorld world(options.devices, 100);
    world.attach(true);
    const pid_t follower = follower_of(world.place());
    const bench::WordWatch word(world.place());
    Roamer roamer(world, options.seed);
    const auto go = [&](unsigned events) {
        for (unsigned done = 0, round = 0; done < events; ++round) {
            done += roamer.step();
            // Faster than it can follow, but not so fast that it sees nothing but the end.
            if (round % 2 == 0) std::this_thread::sleep_for(1ms);
        }
        roamer.home();
        await_quiet(word);
    };
    await_quiet(word);
    const Holdings fresh = holdings(follower, world.place());
    const double idle = idle_load(follower, options.idle_seconds);
    go(options.events / 10); // buffers grow to what they need
    const Holdings before = holdings(follower, world.place());
    const std::uint32_t first_epoch = word.epoch();
    const double busy_before = processor_seconds(follower);
    const auto since = Clock::now();
    go(options.events - options.events / 10);
    const double busy = processor_seconds(follower) - busy_before;
    const double took = std::chrono::duration<double>(Clock::now() - since).count();
    const Holdings after = holdings(follower, world.place());

    fmt::print("\n{:<16} {:>12} {:>12} {:>6} {:>6} {:>6}\n", "", "resident kB", "descriptors", "maps", "pins",
               "rows");
    print("attached", fresh);
    print("a tenth roamed", before);
    print("all roamed", after);
    fmt::print("\nidle: {:.2f} % of a core; roaming: {} policies in {:.0f} s, {:.1f} s of a core\n",
               idle * 100, word.epoch() - first_epoch, took, busy);
    const bool same_follower = follower_of(world.place()) == follower;
    const bool good = same_follower && idle <= most_idle && after.resident_kb <= most_resident_kb &&
                      after.resident_kb <= before.resident_kb + most_growth_kb &&
                      after.descriptors == before.descriptors && after.maps == before.maps &&
                      after.pins == before.pins && after.rows == before.rows;
    fmt::print("at most {} kB, {} % of a core, and nothing grows: {}\n", most_resident_kb, most_idle * 100,
               good ? "holds" : "DOES NOT HOLD");
    return good ? 0 : 1;
}

} // namespace lk::chaos
