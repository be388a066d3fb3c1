// SPDX-License-Identifier: MIT
// The place in which everything that attaches runs: fresh mount, network, cgroup, pid, ipc and uts
// namespaces, so that neither the machine's own devices nor its root cgroup, bpffs, /run or processes can be
// reached. Owns one cgroup directory lk-TEST-PID below the machine's cgroup2 root and removes it. Must not
// touch anything else outside.
//
// A killed sandbox takes all its processes with it (they live in its pid namespace); the empty cgroup
// directory that is then left is removed by the next sandbox.
#pragma once

#include <functional>
#include <string>

namespace lk::harness {

class Sandbox {
  public:
    // Exit status of a run that could not start for want of a privilege: ctest's SKIP_RETURN_CODE.
    static constexpr int skipped = 77;

    // Runs BODY inside a new sandbox, in a child process, and returns its exit status; 128 + N after signal
    // N.
    static int run(const std::string &test, const std::function<int()> &body);

    // The same for a program of its own: an exception of BODY is told as "TEST: what", with exit status 2.
    static int run_program(const std::string &test, const std::function<int()> &body);

    // The sandbox that this process is in; throws outside of one.
    static const Sandbox &current();

    const std::string &bpffs() const { return bpffs_; }             // a bpffs of its own, for --bpffs
    const std::string &cgroup_root() const { return cgroup_root_; } // its own cgroup, for --cgroup-root
    const std::string &dir() const { return dir_; } // a tmpfs for files; gone with the sandbox

    // Inode of the machine's network namespace, which nothing in here may be in.
    unsigned long outer_netns() const { return outer_netns_; }

  private:
    std::string dir_ = "/run/lk";
    std::string bpffs_ = "/run/lk/bpf";
    std::string cgroup_root_ = "/run/lk/cgroup";
    unsigned long outer_netns_ = 0;
    static Sandbox *current_;
    void enter(const std::string &cgroup_dir);
};

// Removes cgroup directories lk-TEST-PID below ROOT whose pid is dead. A directory with living processes
// stays.
void remove_stale_cgroups(const std::string &root);

// The machine's cgroup2 root as mounted in this mount namespace (hybrid layouts included); empty: none.
std::string cgroup2_root();

} // namespace lk::harness
