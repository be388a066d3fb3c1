// SPDX-License-Identifier: MIT
// Policies of cgroups in the kernel: one set of programs on the cgroup root, and rows by cgroup. Pinned, so
// that they judge on when nothing of ours runs, and apart from the network namespaces' states, because they
// hold for all of these.
//
//   BPFFS/leakbpf/cgroups-ROOT-vABI/   its flock is the lock; ROOT: id of the cgroup root
//       maps/lk_*   progs-BUILD/lk_scope_*   links/cgroup-HOOK   tokens/CGROUP (scope_tokens.h)
//
// A row is written whole before it is in force, and what sockets remember ends with the generation. A cgroup
// that was removed keeps its policy until none of its sockets can be left; where room is scarce they are
// denied everything instead.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/build_scope.h"
#include "kernel/state.h"
#include "policy/policy.h"

namespace lk {

struct ScopePlace {
    std::string bpffs = "/sys/fs/bpf";
    std::string cgroup_root;
    std::uint64_t root_id = 0;
    std::string directory() const;
};

// WHAT is changed there, one at a time.
Result<Lock> lock_scopes(const ScopePlace &place, std::chrono::milliseconds timeout);
Result<Lock> lock_scopes(const std::string &bpffs, const std::string &directory,
                         std::chrono::milliseconds timeout);

struct ScopeCgroup {
    std::uint64_t id = 0;
    std::uint32_t level = 0;
    std::string path;                 // below the root, as it was when the policy was put there
    std::vector<std::uint64_t> above; // ids along the path, the outermost first, its own last
};

struct ScopeEntry {
    ScopeCgroup cgroup;
    bool gone = false; // the cgroup was removed
    bool torn = false; // a change was cut off: what is shown here may not be what holds
    Policy policy;     // of one that is gone: empty
    std::uint64_t refused_calls = 0, refused_packets = 0, queries = 0;
};

class ScopeState {
  public:
    // What is there, or none.
    static Result<std::optional<ScopeState>> find(const ScopePlace &place);
    // Adopts what is there, loads what is missing or of another build. Needs the lock.
    static Result<ScopeState> open_or_create(const ScopePlace &place);
    // Takes off everything in a directory, of any version and however broken, the program that refuses
    // packets last. Needs the lock, and no open ScopeState.
    static Result<void> remove_all(const std::string &directory);
    // Of every cgroup root and every version.
    static std::vector<std::string> directories(const std::string &bpffs);

    ScopeState(ScopeState &&) noexcept;
    ScopeState &operator=(ScopeState &&) noexcept;
    ~ScopeState();

    // Puts POLICY into force for CGROUP, in place of one that is there. Sockets that exist are meant too.
    Result<void> put(const ScopeCgroup &cgroup, const Policy &policy);
    // What has none is passed over. Their sockets are then under the policies of the cgroups above.
    Result<void> remove(const std::vector<std::uint64_t> &cgroup_ids);
    // Looks at no more than COUNT rows for cgroups that are gone.
    Result<void> tidy(std::size_t count);
    // The same for one.
    Result<void> tidy_one(std::uint64_t cgroup_id);
    // False: it has no policy, or nothing is left that its policy could be for.
    bool is_needed(std::uint64_t cgroup_id) const;

    // The programs on the cgroup root, those that refuse packets first. Idempotent.
    Result<void> attach_hooks();
    std::vector<std::string> dead_hooks() const; // names of those that are not attached

    Result<std::vector<ScopeEntry>> entries() const; // sorted by path
    // The record in force, without reading every other.
    Result<std::optional<ScopeEntry>> entry(std::uint64_t cgroup_id) const;
    bool holds(std::uint64_t cgroup_id) const; // it has one
    bool empty() const;

  private:
    struct Impl;
    explicit ScopeState(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace lk
