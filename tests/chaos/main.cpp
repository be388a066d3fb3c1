// SPDX-License-Identifier: MIT
// lk_chaos: two senders at full speed, one allowed and one forbidden, while what can happen to a filter
// happens in random order. All of it in a sandbox that is gone with this process. Exit status 0: nothing
// leaked, and nothing was lost that should not have been; 1: something was; 2: it could not be tried; 77:
// without root.
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <random>

#include "chaos/actions.h"
#include "chaos/judge.h"
#include "chaos/roam.h"
#include "chaos/senders.h"
#include "harness/sandbox.h"

namespace lk::chaos {
namespace {

constexpr unsigned short_run_s = 60;

struct Options {
    std::uint64_t seed = 0;
    unsigned seconds = 0, actions = 0, rate = 500;
    bool all = false; // --long
    std::string window = "auto", fault = "none";
    std::vector<unsigned> only; // places in act_kinds, from 1
    ActionOptions action;
    RoamOptions roam;
};

void rest_ms(long ms) {
    const timespec rest{ms / 1000, ms % 1000 * 1'000'000};
    nanosleep(&rest, nullptr);
}

// The actions in the order in which they will happen; the full number of each, or as many as are asked for
// in these proportions.
std::vector<Act> deck(const Options &options, std::mt19937_64 &random) {
    std::vector<Act> acts;
    for (std::size_t i = 0; i < act_kinds.size(); ++i)
        if (options.only.empty() || std::ranges::find(options.only, i + 1) != options.only.end())
            acts.insert(acts.end(), act_kinds[i].in_long_run, act_kinds[i].act);
    std::shuffle(acts.begin(), acts.end(), random);
    if (options.actions > 0)
        while (acts.size() < options.actions)
            acts.insert(acts.end(), acts.begin(), acts.end());
    if (options.actions > 0) acts.resize(options.actions);
    return acts;
}

constexpr std::size_t detached_after = 6; // actions, by --fault detach

void act(Actions &actions, const Filter &filter, const Options &options, const Ledger &ledger) {
    std::mt19937_64 random(options.seed);
    const std::vector<Act> acts = deck(options, random);
    const Micros until = options.seconds > 0 ? ledger.now() + options.seconds * second : UINT32_MAX;
    for (std::size_t done = 0; ledger.now() < until; ++done) {
        if (done >= acts.size() && options.seconds == 0) break;
        if (options.action.fault == Fault::detach && done == detached_after) filter.run({"detach", "--all"});
        actions.run(acts[done % acts.size()]);
        actions.pause();
    }
}

void print_times(const Actions &actions) {
    for (std::size_t i = 0; i < act_kinds.size(); ++i)
        fmt::print("{:>6}  {}\n", actions.times()[i], act_kinds[i].name);
    if (actions.overruns() > 0)
        fmt::print("{:>6}  times the follower lost netlink messages\n", actions.overruns());
}

int chaos(const Options &options) {
    fmt::print("chaos --seed {}{}{}, {} packets a second of each flow\n", options.seed,
               options.seconds > 0 ? fmt::format(" --seconds {}", options.seconds) : "",
               options.actions > 0 ? fmt::format(" --actions {}", options.actions) : "", options.rate);
    fflush(stdout);
    World world;
    Filter filter(world);
    Ledger ledger;
    Actions actions(world, filter, ledger, options.seed, options.action);
    const auto judge = start_judge(world.far(), ledger);
    const auto allowed = start_sender(world.host(), ledger, true, options.rate);
    const auto forbidden = start_sender(world.host(), ledger, false, options.rate);
    rest_ms(300);
    actions.attach();
    act(actions, filter, options, ledger);
    actions.story().window_fails =
        options.window == "fail" || (options.window == "auto" && filter.leaves_no_window());
    rest_ms(100);
    actions.story().guarded_to = ledger.now();
    const harness::Output off = filter.run({"detach", "--all"});
    if (off.status != 0) actions.story().failures.push_back("leakbpf detach: " + off.err);
    rest_ms(300);
    ledger.shared().quiet = true;
    rest_ms(200); // what is on its way arrives
    ledger.shared().ended = true;
    print_times(actions);
    const bool good = report(ledger, actions.story());
    fmt::print("{} (seed {}, {:.0f} s)\n", good ? "PASSED" : "FAILED", options.seed, ledger.now() / 1e6);
    return good ? 0 : 1;
}

int main_of(int argc, char **argv) {
    Options options;
    options.seed = std::random_device{}();
    CLI::App app("Forbidden and allowed packets while everything changes");
    app.add_option("--seed", options.seed, "of the order of the actions (default: a random one, printed)");
    app.add_option("--seconds", options.seconds, "stop after so long")->check(CLI::Range(1, 3600));
    app.add_option("--actions", options.actions, "stop after so many actions")->check(CLI::Range(1, 100000));
    app.add_flag("--long", options.all, "every action as often as docs/chaos.md says");
    app.add_option("--rate", options.rate, "packets a second of each flow")->check(CLI::Range(10, 5000));
    app.add_option("--hook", options.action.hook, "as of leakbpf attach")
        ->check(CLI::IsMember({"auto", "tcx", "clsact"}));
    app.add_option("--window", options.window,
                   "what packets are that leave by a new uplink before it is guarded; auto: a failure where "
                   "the second gate is netfilter's and the hook tcx, so that there must be none")
        ->check(CLI::IsMember({"auto", "report", "fail"}));
    app.add_option("--fault", options.fault,
                   "what is broken on purpose, to see it noticed: the filter taken off in the middle, or no "
                   "follower")
        ->check(CLI::IsMember({"none", "detach", "follower"}));
    app.add_option("--only", options.only, "actions by their number in the table: 1 is the policy replaced")
        ->delimiter(',')
        ->check(CLI::Range(std::size_t{1}, act_kinds.size()));
    app.add_option("--roam", options.roam.events,
                   "instead of all that: so many events of a roaming machine, and what the follower holds")
        ->check(CLI::Range(100, 10'000'000));
    app.add_option("--devices", options.roam.devices, "with --roam: guarded uplinks")
        ->check(CLI::Range(1, 1'000));
    app.add_option("--idle", options.roam.idle_seconds, "with --roam: seconds of looking at an idle follower")
        ->check(CLI::Range(1, 600));
    app.add_flag("--verbose", options.action.verbose, "print each action");
    CLI11_PARSE(app, argc, argv);
    if (!options.all && options.seconds == 0 && options.actions == 0) options.seconds = short_run_s;
    options.action.fault = options.fault == "detach"     ? Fault::detach
                           : options.fault == "follower" ? Fault::follower
                                                         : Fault::none;
    return harness::Sandbox::run_program("chaos", [&] {
        options.roam.seed = options.seed;
        return options.roam.events > 0 ? roam(options.roam) : chaos(options);
    });
}

} // namespace
} // namespace lk::chaos

int main(int argc, char **argv) {
    return lk::chaos::main_of(argc, argv);
}
