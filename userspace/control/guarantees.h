// SPDX-License-Identifier: MIT
// What can be promised on this machine, guarantee by guarantee. Pure: findings in, a report out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/findings.h"

namespace lk {

enum class Guarantee {
    uplink,       // whatever leaves by a guarded uplink is judged
    tcx,          // by tcx: the hook is a link of its own, which no qdisc takes with it
    first,        // no program of others runs before ours
    no_detour,    // nothing is known here that sends below the filter
    identity,     // the VPN daemon is known by the mark of its sockets
    dns,          // queries go to the resolver, and answers come back
    bypass_guard, // PACKET_QDISC_BYPASS and AF_XDP are refused
    compat_guard, // for 32-bit system calls too
    lsm,          // packet sockets can be locked, and nobody else takes our links off
    second_gate,  // an uplink that appears is judged before it has its hook, forwarded packets included
    serve,        // who asks a service of --serve is answered
};
constexpr std::size_t guarantee_count = 11;

std::string_view to_string(Guarantee guarantee); // "bypass-guard", as after --require
std::string_view promise(Guarantee guarantee);   // a sentence without its full stop

// A guarantee, "strict" (all that --strict rests on: uplink, first, identity, both guards) or "all". Anything
// else is bad input. WORDS_GIVEN may hold commas.
Result<std::vector<Guarantee>> parse_guarantees(const std::vector<std::string> &words_given);

struct Judgement {
    Guarantee guarantee;
    bool holds = false;
    std::string why_not; // empty where it holds
    bool comes = false;  // it does not hold, and will as soon as a tunnel is up
};

struct Report {
    std::vector<Judgement> guarantees; // each once, in the order of the enum
    std::vector<std::string> notes;    // weaker than it could be, or worth knowing
    const Judgement &of(Guarantee guarantee) const;
};
Report report_on(const Findings &findings);

// What none of WANTED rests on counts in KNOWN as found out. The filter itself is always asked for.
void leave_out_unasked(KernelProbes &known, const std::vector<Guarantee> &wanted);

// Exit::unsupported, naming every one of WANTED that does not hold, and why. A policy may be attached before
// there is a tunnel, so what only waits for one is enough to attach.
Result<void> require(const Report &report, const std::vector<Guarantee> &wanted);
Result<void> require_to_attach(const Report &report, const std::vector<Guarantee> &wanted);

} // namespace lk
