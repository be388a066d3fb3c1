// SPDX-License-Identifier: MIT
// Everything of ours that lives in the kernel for one network namespace: programs, maps and links, all
// pinned, so that they judge on when nothing of ours runs. This room knows how; control/ decides what and
// when. Nothing here decides about packets.
//
//   BPFFS/leakbpf/                    0700; its flock serialises creation and removal of namespaces'
//   directories BPFFS/leakbpf/net-COOKIE-vABI/    one network namespace; its flock is Lock (bpffs refuses
//   dots in names)
//       maps/lk_*   progs/lk_*   links/uplink-IFINDEX   links/clsact-IFINDEX   links/serve-IFINDEX
//       links/cgroup-HOOK gate-KIND
//       document-EPOCH   follow/ stale-N/ what was found broken or made by another build; it judges on until
//       remove_others()
// progs/ comes into being by a rename when everything else is there: state without it is half-written.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "image/map_image.h"
#include "kernel/probe.h"
#include "leakbpf/abi.h"
#include "policy/policy.h"

namespace lk {

// Where the state of a network namespace is.
struct Place {
    std::string bpffs = "/sys/fs/bpf";
    std::string cgroup_root; // cgroup2 directory that the socket hooks attach to
    std::uint64_t netns_cookie = 0;
    std::string directory() const; // BPFFS/leakbpf/net-COOKIE-vABI
};

// One changer at a time per network namespace. Held by attach, detach and each turn of follow.
class Lock {
  public:
    // Waits at most TIMEOUT, then Exit::busy. Creates the directory if it is not there.
    static Result<Lock> take(const Place &place, std::chrono::milliseconds timeout);
    // Ends every other process that has held it for a second, and waits until they are gone: for one that is
    // stopped or stuck.
    static void end_holders(const Place &place);
    // DIRECTORY: a child of BPFFS/leakbpf that holds WHAT.
    static Result<Lock> take(const std::string &bpffs, const std::string &directory, std::string_view what,
                             std::chrono::milliseconds timeout);
    Lock(Lock &&) noexcept = default;
    Lock &operator=(Lock &&) = delete;
    ~Lock(); // leaves no empty directory behind

  private:
    Lock(Fd fd, std::string directory) : fd_(std::move(fd)), directory_(std::move(directory)) {}
    Fd fd_;
    std::string directory_;
};

enum class Attachment { none, tcx, clsact };

// Our program on one uplink and what runs there.
struct UplinkHook {
    int ifindex = 0;
    Attachment attachment = Attachment::none;
    std::uint32_t program_id = 0;
    bool ours_alive = false; // still attached, and with our pinned program
    // Foreign programs that run before ours and can end the chain, as "tcx program 17 «name»" or "clsact pref
    // 1 ...".
    std::vector<std::string> ahead;
    std::vector<std::string> behind;
    bool unfinished = false; // the queue from before it is still to be emptied: attach_uplink() does it
};

enum class FrontPlace { first, behind, gone }; // of our program on an uplink

enum class Chains { read, skip }; // what else runs on each device takes a while to read

struct CgroupHook {
    std::string name; // "sock_create", "connect4", ...
    bool alive = false;
    std::string cgroup; // path if it can be found
};

// A program on one of the kernel's security functions. Not every kernel takes them, and the filter holds
// without.
struct GuardHook {
    std::string name; // "compat", "sockets", "links"
    bool alive = false;
    std::string why_not; // where it is not alive and that is known: only after attach_guards()
};

// How the second gate sees what is sent: all of POST_ROUTING, or what local sockets send.
enum class GateKind { none, netfilter, cgroup };

using Counters = std::array<std::array<lk_count, LK_REASONS>, LK_HOOKS>; // summed over CPUs

// How long uplinks that appeared had no hook: from when the follower read of them to the hook's pin.
struct Windows {
    std::uint64_t count = 0, p50_us = 0, p99_us = 0; // of the last ones
};

class State {
  public:
    // The existing state, or none. Half-written state (a crash in creation) is reported as none, and
    // open_or_create cleans it.
    static Result<std::optional<State>> find(const Place &place);
    // Adopts what is there or loads and pins everything anew. Needs the Lock. State of other ABI versions is
    // left for remove_others().
    static Result<State> open_or_create(const Place &place);
    // Removes state of other versions in the same network namespace, and stale ones of ours, with the
    // follower that works with it; call after ours is attached.
    static Result<void> remove_others(const Place &place);
    // Ends every hook, link, pin and map of the namespace, of any version and however broken: removes
    // programs first from the socket hooks, last from the uplinks. An error names what is left. Needs no
    // working document. Clsact filters of ours are found by their program's name. Waits until the kernel has
    // let go of everything, so close every State of the namespace first, and end its follower.
    static Result<void> remove_all(const Place &place);

    State(State &&) noexcept;
    State &operator=(State &&) noexcept;
    ~State(); // closes descriptors; pins stay

    // Writes the rows under ids never used before, the document, the device and host records of the next
    // epoch, then flips the word, then waits a grace period and removes rows that nothing names any more.
    // Sets whose content did not change keep their ids and are not written again. Returns the new epoch. On
    // an error before the flip the old policy is in force whole, and what was written is taken back.
    Result<std::uint32_t> commit(const MapImage &image, const Document &document);
    Result<Document> document() const; // of the epoch in force
    std::uint32_t epoch() const;

    // Puts our program on the uplink, at the head of its chain; the queue that the device held before is
    // emptied the first time. Idempotent: a living hook is left as it is, a dead pin (device gone) is
    // replaced. KIND automatic: tcx, else clsact. Returns a notice for people where the queue could not be
    // emptied (what waits in it leaves unfiltered).
    Result<std::optional<std::string>> attach_uplink(int ifindex, HookKind kind);
    Result<void> detach_uplink(int ifindex); // also cleans the pin of a device that is gone
    // By tcx alone, which runs before clsact: one question to the kernel.
    FrontPlace front_place(int ifindex) const;
    // Who runs before our living program there, as UplinkHook::ahead; empty where that cannot be read.
    std::vector<std::string> ahead_of(int ifindex) const;
    // Our program at the head again where somebody put his before it; there is no moment without it. An error
    // where it is there by clsact.
    Result<void> put_first(int ifindex);
    // Sorted by ifindex. Without CHAINS, `ahead` and `behind` are empty.
    Result<std::vector<UplinkHook>> uplink_hooks(Chains chains = Chains::read) const;

    // Our programs on a tunnel, at the head of its ingress and egress chains: answers come back by them.
    // Idempotent. ETHERNET: its packets have a MAC header.
    Result<void> attach_tunnel(int ifindex, bool ethernet);
    // Their programs, which are otherwise loaded when the first tunnel comes up.
    Result<void> load_tunnel_programs();
    Result<void> detach_tunnel(int ifindex); // the tunnel may be gone
    std::vector<int> tunnels() const;        // that have a pin of ours, sorted
    bool tunnel_alive(int ifindex) const;    // both programs run there

    // Our program on the ingress of an uplink that has services. Idempotent.
    Result<void> attach_serve(int ifindex);
    Result<void> detach_serve(int ifindex); // the device may be gone
    std::vector<int> serves() const;        // devices that have a pin of it, sorted
    bool serve_alive(int ifindex) const;
    // Sessions that are to be answered though nobody saw them begin.
    Result<void> keep_sessions(const std::vector<lk_served> &sessions);

    // sock_create first, then marks for sockets that already exist, then connect, getpeername, setsockopt.
    // Idempotent.
    Result<void> attach_cgroup_hooks();
    Result<std::vector<CgroupHook>> cgroup_hooks() const;

    // "compat": the setsockopt guard for 32-bit system calls. "sockets": packet sockets for the MAKERS only,
    // where the policy says so. "links": nobody else takes our links off. The last two only where `bpf` is
    // among the active security modules, as they would be inert elsewhere. Idempotent; what this kernel does
    // not take is told in the answer and no error.
    Result<std::vector<GuardHook>> attach_guards(const std::vector<std::string> &makers);
    Result<std::vector<GuardHook>> guard_hooks() const;

    // What is loaded, of this very build, and which hooks the kernel has for it. What is not there was not
    // tried: it neither works nor says why not.
    KernelProbes known_probes() const;

    // The second gate: what the IP stack sends on devices that are not in SPARED is judged by the host
    // record, where that says LK_POLICY_GATE. Netfilter where the kernel takes it, else cgroup. Idempotent;
    // the devices are known before the gate is there.
    Result<GateKind> attach_gate(const std::map<int, lk_spare> &spared);
    Result<void> spare(const std::map<int, lk_spare> &spared); // these and no others, by ifindex
    Result<void> detach_gate();
    GateKind gate() const;    // that is alive and of the pinned programs
    bool gate_pinned() const; // a link of any, whole or not, of this build or an older one

    Result<Counters> counters() const;
    struct Untold {
        std::uint64_t resets = 0, icmp = 0,
                      events = 0; // suppressed by the rate limits; events also lost to a full ring
    };
    Result<Untold> untold() const;

    // Calls ON_EVENT for each record as it comes, until STOP_FD is readable or ON_EVENT returns false.
    Result<void> watch(int stop_fd, const std::function<bool(const lk_event &)> &on_event) const;

    // The follower of this namespace. claim: at most one process holds it; none if another does. It ends with
    // the descriptor.
    Result<std::optional<Fd>> claim_follower();
    std::optional<pid_t> follower() const; // a living one
    Result<void> end_follower(); // SIGTERM by pidfd, waits until it is gone; nothing to do without one
    void nudge_follower() const; // SIGUSR1: read the document again
    // What the follower has measured, which is there after it too. None: there was no follower.
    Result<void> tell_windows(const Windows &windows) const;
    std::optional<Windows> windows() const;

  private:
    struct Impl;
    explicit State(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace lk
