// SPDX-License-Identifier: MIT
// What is done to the host while the senders send. Each action leaves eth0 there, under its name, set up;
// what it did and when goes into the story.
#pragma once

#include <array>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "chaos/filter.h"
#include "chaos/flows.h"
#include "chaos/report.h"
#include "chaos/world.h"

namespace lk::chaos {

enum class Act {
    replace,
    kill_attach,
    kill_follow,
    recreate,
    rename,
    bounce,
    plug,
    flush,
    move,
    upgrade,
    burst
};

struct ActKind {
    Act act;
    const char *name;
    unsigned in_long_run;
};
constexpr std::array<ActKind, 11> act_kinds{{{Act::replace, "policy replaced", 1000},
                                             {Act::kill_attach, "attach or apply killed", 150},
                                             {Act::kill_follow, "follower killed", 150},
                                             {Act::recreate, "deleted and made again", 200},
                                             {Act::rename, "renamed", 100},
                                             {Act::bounce, "down and up", 100},
                                             {Act::plug, "second uplink plugged in", 100},
                                             {Act::flush, "flushed by other tools", 100},
                                             {Act::move, "moved to a namespace", 100},
                                             {Act::upgrade, "binary upgraded", 50},
                                             {Act::burst, "netlink burst", 30}}};

enum class Fault { none, detach, follower }; // to see that it is noticed

struct ActionOptions {
    std::string hook = "auto";
    Fault fault = Fault::none;
    bool verbose = false;
};

class Actions {
  public:
    Actions(World &world, Filter &filter, const Ledger &ledger, std::uint64_t seed,
            const ActionOptions &options)
        : world_(world), filter_(filter), ledger_(ledger), options_(options), random_(seed) {}

    void attach(); // the first
    void run(Act act);
    void pause(); // a moment between two of them

    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
    Story &story() { return story_; }
    const std::array<unsigned, act_kinds.size()> &times() const { return times_; }
    unsigned long overruns() const { return overruns_; }

  private:
    World &world_;
    Filter &filter_;
    const Ledger &ledger_;
    ActionOptions options_;
    std::mt19937_64 random_;
    Story story_;
    std::array<unsigned, act_kinds.size()> times_{};
    bool plugged_ = false;
    std::optional<bool> has_iptables_;
    unsigned upgrades_ = 0;
    unsigned long overruns_ = 0;
    Micros attach_time_ = second / 10; // of the last one

    std::vector<std::string> policy_words();
    void ensure_follower();
    Window begin(const char *kind, int uplink, bool appeared = false) const;
    void restored(Window window);
    bool is_calm(std::size_t flow, const Window &window, Micros since) const;
    void tool(const char *script);

    std::string replace();
    std::string kill_attach();
    std::string kill_follow();
    std::string recreate();
    std::string rename();
    std::string bounce();
    std::string plug();
    std::string flush();
    std::string move();
    std::string upgrade();
    std::string burst();
};

} // namespace lk::chaos
