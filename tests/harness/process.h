// SPDX-License-Identifier: MIT
// Running programs and waiting for conditions. Nothing here runs longer than its time limit; LK_PATIENCE=N in
// the environment stretches all limits, for virtual machines without virtual hardware.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace lk::harness {

using namespace std::chrono_literals;

struct RunOptions {
    int netns = -1; // entered before exec; the mounts stay those of the caller
    uid_t uid = 0;
    std::string input = {};
    std::string cgroup = {}; // directory to enter before exec
    std::chrono::milliseconds timeout = 20s;
};

struct Output {
    int status = 0; // exit status; 128 + N after signal N, 124 when the time was up
    std::string out, err;
};

// ARGV[0] is looked up in PATH.
Output run(const std::vector<std::string> &argv, const RunOptions &options = {});

// Polls CONDITION until it holds or the time is up.
bool eventually(const std::function<bool()> &condition, std::chrono::milliseconds timeout = 5s);

// A process in the background, ended (SIGKILL, reaped) with the object.
class Background {
  public:
    Background() = default;
    explicit Background(pid_t pid) : pid_(pid) {}
    // Output goes to LOG (a path).
    Background(const std::vector<std::string> &argv, const RunOptions &options, const std::string &log);
    Background(Background &&other) noexcept;
    Background &operator=(Background &&other) noexcept;
    ~Background();
    pid_t pid() const { return pid_; }
    bool alive() const;
    void end(int signal_number);

  private:
    pid_t pid_ = -1;
};

// The leakbpf binary of this build.
const std::string &leakbpf_binary();

// leakbpf --bpffs DIR --cgroup-root DIR ARGS... of this sandbox, in network namespace NETNS.
Output leakbpf(int netns, const std::vector<std::string> &args, std::chrono::milliseconds timeout = 20s);

} // namespace lk::harness
