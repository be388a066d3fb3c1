// SPDX-License-Identifier: MIT
// A subject of bench_speed: a host and the far side of its wire, with or without a filter, in namespaces and
// a control group of their own, so that no other subject's hooks see its traffic. One process of it sends, on
// the CPU that all of them share in turns; what the far side gets in the way of datagrams it counts and takes
// off at once.
#pragma once

#include <sched.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "bench/own_cgroup.h"
#include "bench/speed_rules.h"
#include "bench/speed_turns.h"
#include "harness/process.h"
#include "harness/world.h"

struct lk_speed;

namespace lk::bench {

class SpeedWorld;

// To the first of the CPUs that there are, or the last; what is forked later inherits it.
void pin_to_first_cpu();
void pin_to_last_cpu();

// The calling process is on the first CPU while this lives.
class OnFirstCpu {
  public:
    OnFirstCpu();
    ~OnFirstCpu();
    OnFirstCpu(const OnFirstCpu &) = delete;
    OnFirstCpu &operator=(const OnFirstCpu &) = delete;

  private:
    cpu_set_t before_;
};

struct Subject {
    std::string name, title;
    std::function<void(SpeedWorld &)> set_up = [](SpeedWorld &) {};
    unsigned mark = 0; // of what is sent, where the filter goes by it
    uid_t uid = 0;     // whose sockets
    std::vector<std::string> tools = {};
};

// The same text in any filter that has a size.
Subject unfiltered(bool twin);
Subject floor_program();
Subject both_floors(); // an empty program in each place where leakbpf has one for packets
Subject plain(const Policy &policy);
Subject alone(const Policy &policy); // without a follower, and so without the second gate
Subject strict();
Subject bitmask(const Policy &policy);
Subject ipset(const Policy &policy);
Subject nft(const Policy &policy);
Subject mullvad();
Subject nft_egress();
// No filter, its twin and the empty program first. BRIEF: of the others leakbpf and Bitmask alone.
std::vector<Subject> everybody(const Policy &policy, bool brief);

enum class Task { gateway, lan, blocked, connect, refused, bulk };
struct Limits {
    double slice_ms = 4;
    unsigned connects = 64;   // in a slice, at most: answers are limited in rate
    unsigned patience_ms = 5; // with an answer that is made on this machine
};

class SpeedWorld {
  public:
    // NUMBER: for the names of its namespaces. Throws where the subject cannot be set up.
    SpeedWorld(const Subject &subject, unsigned number);
    SpeedWorld(const SpeedWorld &) = delete;
    SpeedWorld &operator=(const SpeedWorld &) = delete;
    ~SpeedWorld();

    const Subject &subject() const { return subject_; }
    harness::World &net() { return net_; }
    int host_fd() const { return net_.host().fd(); }
    void enter_cgroup() const; // with the calling process
    Slice run(Task task, const Limits &limits);
    std::uint64_t arrived(unsigned last_byte) const; // datagrams of the bench at the far side, so far

    // Runs leakbpf WORDS; it is detached with the world.
    void guard(const std::vector<std::string> &words);
    // A whole leakbpf command for this world.
    std::vector<std::string> leakbpf(const std::vector<std::string> &words) const;
    // Throws with the program's words where it fails.
    void must_run(const std::vector<std::string> &argv, const std::string &input = {});
    void attach_floor();
    void attach_gate_floor();                                                 // throws below Linux 6.4
    std::string file(const std::string &name, const std::string &text) const; // its path

  private:
    Subject subject_;
    harness::World net_;
    OwnCgroup cgroup_;
    std::unique_ptr<lk_speed, void (*)(lk_speed *)> programs_;
    Fd far_side_, floor_, gate_floor_;
    Fd channel_;
    bool guarded_ = false;
    std::unique_ptr<harness::Helper> reader_, sender_;
    void start_sender();
};

} // namespace lk::bench
