// SPDX-License-Identifier: MIT
// Names in the bpffs: where each thing of one network namespace is pinned, and how directories there are
// made, moved and removed. Knows nothing of what is pinned.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace lk {

// Paths below the directory of one network namespace.
struct Pins {
    std::string dir;
    std::string maps() const { return dir + "/maps"; }
    std::string programs() const { return dir + "/progs"; }
    std::string new_programs() const { return dir + "/progs-new"; }
    std::string old_programs() const { return dir + "/progs-old"; }
    std::string links() const { return dir + "/links"; }
    std::string follow() const { return dir + "/follow"; }
    std::string document(std::uint32_t epoch) const;
    std::string tcx_link(int ifindex) const;
    std::string new_tcx_link(int ifindex) const; // about to be moved there
    std::string tunnel_link(bool ingress, int ifindex) const;
    std::string serve_link(int ifindex) const;
    std::string clsact(int ifindex) const;       // our program: this uplink has it by clsact
    std::string clsact_qdisc(int ifindex) const; // a directory: the clsact qdisc there was made by us
    std::string
    full_queue(int ifindex) const; // a directory: the queue from before the attach is not emptied yet
    std::string cgroup_link(const std::string &hook) const;
    std::string guard_link(const std::string &guard) const;
    std::string gate_link(const std::string &kind) const;
    std::vector<std::string> stale() const; // directories stale-N, full paths
    std::string next_stale() const;         // one that is not there yet
};

// The ifindexes of NAMES "PREFIX-IFINDEX" in LINKS_DIR, sorted.
std::vector<int> pinned_ifindexes(const std::string &links_dir, std::string_view prefix);

constexpr std::string_view root_name = "leakbpf"; // directory below the bpffs
// "net-COOKIE-v": a namespace's directories of every ABI version begin so.
std::string namespace_prefix(std::uint64_t netns_cookie);

std::vector<std::string> list_directory(const std::string &path); // names, sorted; empty: not there
bool path_exists(const std::string &path);
Result<void> make_directory(const std::string &path); // 0700; it may be there
Result<void> move_path(const std::string &from, const std::string &to);
Result<void> remove_pin(const std::string &path);  // it may be gone already
Result<void> remove_tree(const std::string &path); // removes what it can; an error names the first that stays

// A directory for flock; refuses links and directories of others (a bpffs may be writable for everybody).
// error(): ENOENT where it is not there.
struct OpenedDirectory {
    Fd fd;
    int error = 0;
};
OpenedDirectory open_directory(const std::string &path);

} // namespace lk
