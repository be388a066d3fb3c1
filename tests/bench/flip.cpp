// SPDX-License-Identifier: MIT
// bench_flip: how long it takes until a change is in force. «flip»: from the call of commit to the word
// flipped, with one gateway changed, and with one address changed. «follow»: from the netlink request that
// changes an address to the word flipped by the follower, and from the one that gives a device a default
// route to the hook on it. Exit status 77 without root.
#include <fmt/format.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bench/flip_world.h"
#include "harness/process.h"
#include "harness/rtnl.h"
#include "harness/sandbox.h"
#include "kernel/pins.h"
#include "net/topology.h"

namespace lk::bench {
namespace {

using namespace std::chrono_literals;
using Micros = std::chrono::duration<double, std::micro>;

struct Options {
    std::vector<unsigned> gateways{1, 10'000}, devices{1, 1'000};
    unsigned rounds = 200;
    bool json = false;
};

template <typename T>
T must(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().message);
    return *std::move(result);
}

struct Times {
    std::vector<double> us;
    double quantile(double q) const {
        if (us.empty()) return 0;
        std::vector<double> sorted = us;
        std::ranges::sort(sorted);
        return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
    }
};

struct Figures {
    unsigned gateways = 0, devices = 0;
    Times gateway_flip, gateway_call, address_flip, address_call, follow_flip, follow_hook;
};

void measure_flip(const FlipWorld &world, WordWatch &word, const Options &options, Figures &figures) {
    world.host().inside([&] {
        std::optional<State> state = must(State::find(world.place()));
        if (!state) throw std::runtime_error("nothing is attached");
        Document document = must(state->document());
        Topology topology = must(read_topology());
        const auto commit = [&](Times &flip, Times &call) {
            const MapImage image = build_image(document, topology).image;
            word.arm();
            const auto since = Clock::now();
            must(state->commit(image, document));
            call.us.push_back(Micros(Clock::now() - since).count());
            flip.us.push_back(Micros(word.changed() - since).count());
        };
        Times first; // reads what is there, which a follower does once
        commit(first, first);
        const auto device = std::ranges::find(topology.devices, FlipWorld::device(0), &Device::name);
        for (unsigned round = 0; round < options.rounds; ++round) {
            Policy &policy = document.scopes.front().policy;
            policy.gateways.clear();
            for (const std::string &text : FlipWorld::gateways(figures.gateways, round + 1))
                policy.gateways.push_back(must(Gateway::parse(text)));
            policy = normalise(policy);
            commit(figures.gateway_flip, figures.gateway_call);
            device->addresses.front().address =
                must(Address::parse(fmt::format("10.16.0.{}", 3 + round % 200)));
            commit(figures.address_flip, figures.address_call);
        }
    });
}

// Long enough for the turn before to be over, and never in step with anything.
void rest(unsigned round) {
    std::this_thread::sleep_for(60ms + std::chrono::microseconds(round * 377 % 10'000));
}

void measure_follow(FlipWorld &world, WordWatch &word, const Options &options, Figures &figures) {
    harness::Rtnl rtnl(world.host());
    const int first = world.host().ifindex(FlipWorld::device(0));
    for (unsigned round = 0; round < options.rounds; ++round) {
        rest(round);
        word.arm();
        const auto since = Clock::now();
        rtnl.address(round % 2 == 0, first, harness::Ip::of("10.98.0.1"), 24);
        figures.follow_flip.us.push_back(Micros(word.changed() - since).count());
    }
    for (unsigned round = 0; round < std::max(options.rounds / 4, 1u); ++round) {
        const int spare = world.make_spare();
        const std::string pin = Pins{world.place().directory()}.tcx_link(spare);
        rest(round);
        const auto since = Clock::now();
        rtnl.route(true, spare, harness::Ip{}, 0, 5000 + round);
        struct stat found {};
        while (stat(pin.c_str(), &found) != 0)
            if (Clock::now() - since > 10s) throw std::runtime_error("the new uplink was not guarded");
        figures.follow_hook.us.push_back(Micros(Clock::now() - since).count());
    }
}

Figures measure(unsigned gateways, unsigned devices, const Options &options) {
    Figures figures;
    figures.gateways = gateways;
    figures.devices = devices;
    FlipWorld world(devices, gateways);
    world.attach(false);
    WordWatch word(world.place());
    measure_flip(world, word, options, figures);
    world.attach(true);
    measure_follow(world, word, options, figures);
    return figures;
}

using Column = std::pair<const char *, Times Figures::*>;
constexpr std::array<Column, 6> columns{{{"flip_gateway", &Figures::gateway_flip},
                                         {"call_gateway", &Figures::gateway_call},
                                         {"flip_address", &Figures::address_flip},
                                         {"call_address", &Figures::address_call},
                                         {"follow_flip", &Figures::follow_flip},
                                         {"follow_hook", &Figures::follow_hook}}};

void print_table(const std::vector<Figures> &all) {
    fmt::print(
        "p50 / p99 in ms. flip: commit to the word; call: commit to its return, when what was replaced "
        "is gone;\nfollow: netlink request to the word, or to the hook on a new uplink.\n\n{:>8} {:>7}",
        "gateways", "devices");
    for (const auto &[name, times] : columns)
        fmt::print(" {:>17}", name);
    fmt::print("\n");
    for (const Figures &figures : all) {
        fmt::print("{:>8} {:>7}", figures.gateways, figures.devices);
        for (const auto &[name, times] : columns)
            fmt::print(" {:>17}", fmt::format("{:.2f} / {:.2f}", (figures.*times).quantile(0.5) / 1000,
                                              (figures.*times).quantile(0.99) / 1000));
        fmt::print("\n");
    }
}

void print_json(const std::vector<Figures> &all, const Options &options) {
    nlohmann::ordered_json out;
    out["rounds"] = options.rounds;
    for (const Figures &figures : all) {
        nlohmann::ordered_json row{{"gateways", figures.gateways}, {"devices", figures.devices}};
        for (const auto &[name, times] : columns)
            row[name] = {{"p50_us", (figures.*times).quantile(0.5)},
                         {"p99_us", (figures.*times).quantile(0.99)}};
        out["rows"].push_back(std::move(row));
    }
    fmt::print("{}\n", out.dump(2));
}

int main_of(int argc, char **argv) {
    Options options;
    CLI::App app("How long it takes until a change is in force", "bench_flip");
    app.add_flag("--json", options.json, "print JSON");
    app.add_option("--rounds", options.rounds, "of each measurement")->check(CLI::Range(1, 10'000));
    app.add_option("--gateways", options.gateways, "how many")->delimiter(',')->check(CLI::Range(1, 90'000));
    app.add_option("--devices", options.devices, "guarded uplinks, how many")
        ->delimiter(',')
        ->check(CLI::Range(1, 1'000));
    CLI11_PARSE(app, argc, argv);
    return harness::Sandbox::run_program("bench_flip", [&] {
        std::vector<Figures> all;
        for (const unsigned devices : options.devices)
            for (const unsigned gateways : options.gateways)
                all.push_back(measure(gateways, devices, options));
        options.json ? print_json(all, options) : print_table(all);
        return 0;
    });
}

} // namespace
} // namespace lk::bench

int main(int argc, char **argv) {
    return lk::bench::main_of(argc, argv);
}
