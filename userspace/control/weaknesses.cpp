// SPDX-License-Identifier: MIT
#include "control/weaknesses.h"

#include <fmt/format.h>

#include <algorithm>

#include "control/reconcile.h"
#include "control/scopes.h"

namespace lk {

namespace {

const char *without(const std::string &hook) {
    if (hook == "setsockopt")
        return "PACKET_QDISC_BYPASS and AF_XDP are not refused, and pass below the filter";
    if (hook == "sock_create") return "new sockets of the VPN user are not known as such and are refused";
    if (hook.starts_with("connect")) return "connected DNS sockets are not sent to the resolver";
    if (hook.starts_with("recvmsg"))
        return "connected DNS sockets see answers come from the resolver, and some programs wait in vain";
    if (hook.starts_with("sendmsg"))
        return "connected DNS sockets that name the server once more get no answer";
    return "getpeername shows the resolver in place of the server that was asked";
}

void judge_uplinks(Status &status) {
    for (const int ifindex : status.built.uplinks)
        if (!alive_on(status.uplinks, ifindex))
            status.weaknesses.push_back(fmt::format("{} is to be guarded and has no living hook: what leaves "
                                                    "there is not judged; attach again",
                                                    device_name(status.topology, ifindex)));
    for (const int ifindex : serving(status.built.image))
        if (std::ranges::find(status.serves, ifindex) == status.serves.end())
            status.weaknesses.push_back(
                fmt::format("{} has no living hook that sees who asks the services of "
                            "--serve: nobody new is answered; attach again",
                            device_name(status.topology, ifindex)));
    for (const UplinkHook &hook : status.uplinks) {
        const std::string name = device_name(status.topology, hook.ifindex);
        for (const std::string &program : hook.ahead)
            status.weaknesses.push_back(
                fmt::format("{}: {} runs before our program and can let packets past it; take it off or "
                            "attach again",
                            name, program));
        const bool wanted =
            std::ranges::find(status.built.uplinks, hook.ifindex) != status.built.uplinks.end();
        if (!wanted && hook.ours_alive)
            status.remarks.push_back(
                fmt::format("{} has our hook but no policy: everything is denied there", name));
    }
    for (const Scope &scope : status.document.scopes)
        for (const std::string &name : scope.uplinks)
            if (!status.topology.find(name))
                status.remarks.push_back(fmt::format("{} is not there now{}", name,
                                                     status.follower ? ""
                                                                     : ", and without a follower it will not "
                                                                       "be guarded when it comes"));
}

void judge_guards(Status &status) {
    const auto alive = [&status](std::string_view name) {
        return std::ranges::any_of(
            status.guards, [name](const GuardHook &guard) { return guard.name == name && guard.alive; });
    };
    const bool locked = std::ranges::any_of(status.document.scopes,
                                            [](const Scope &scope) { return scope.policy.lock_sockets; });
    const bool inert = status.lsm_active == false;
    for (const GuardHook &guard : status.guards)
        if (guard.alive && inert && guard.name != "compat")
            status.weaknesses.push_back(fmt::format("the guard {} is attached but inert: bpf is not among "
                                                    "the active security modules",
                                                    guard.name));
    if (locked && !alive("sockets"))
        status.weaknesses.emplace_back("--lock-sockets was asked for and is not in force: the program for it "
                                       "is not attached; attach again");
    if (!status.guards.empty() && !alive("compat"))
        status.remarks.emplace_back(
            "32-bit system calls can still ask for PACKET_QDISC_BYPASS and AF_XDP: the "
            "guard for them is not attached; leakbpf doctor says whether this kernel "
            "takes it");
    if (inert && !alive("links"))
        status.remarks.emplace_back("bpf is not among the active security modules: programs on their hooks "
                                    "would be inert, so packet sockets cannot be locked, and other programs "
                                    "of root can detach the filter's links");
}

void judge_gate(Status &status) {
    if (taking_scope(status.document) == no_scope || !status.follower) return; // it goes with a follower
    if (status.gate == GateKind::none)
        status.weaknesses.emplace_back(
            "the second gate is not there: an uplink that appears is open until the "
            "follower guards it; attach again");
    if (status.gate == GateKind::cgroup)
        status.remarks.emplace_back(
            "what is forwarded to an uplink that appears is open until the follower guards "
            "it: this kernel has no BPF netfilter links (Linux 6.4)");
}

} // namespace

void judge(Status &status) {
    if (status.epoch == 0)
        status.weaknesses.emplace_back(
            "no policy is in force: everything is denied where a hook is; attach again");
    judge_uplinks(status);
    if (status.cgroup_hooks.empty())
        status.weaknesses.emplace_back(
            "there are no socket hooks: PACKET_QDISC_BYPASS and AF_XDP are not refused, "
            "and the VPN user is not known");
    for (const CgroupHook &hook : status.cgroup_hooks)
        if (!hook.alive)
            status.weaknesses.push_back(fmt::format("the socket hook {} is not there: {}; attach again",
                                                    hook.name, without(hook.name)));
    judge_guards(status);
    judge_gate(status);
    if (status.trial && !status.follower)
        status.weaknesses.emplace_back(
            "the policy is on trial and no follower lives to take it back: leakbpf follow does so at the "
            "deadline; until then it stays in force");
    if (!status.follower)
        status.remarks.emplace_back(
            "no follower lives: new addresses and uplinks are not taken in; leakbpf follow "
            "or attach again");
}

} // namespace lk
