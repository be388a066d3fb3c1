// SPDX-License-Identifier: MIT
// leakbpf portal: what a captive portal needs, to the routers that are there now, for a while. The kernel
// itself stops letting it through at the deadline; what is done here afterwards only tidies up.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/control.h"

namespace lk {

constexpr std::chrono::seconds portal_least{5}, portal_most{LK_PORTAL_MOST_NS / 1'000'000'000};

struct PortalAnswer {
    OpenPortal portal;
    std::uint64_t until_ns = 0;       // CLOCK_BOOTTIME: tells this portal from another
    std::vector<std::string> notices; // sentences: routers that it was not opened to
};
// NAMED: to these routers alone, public ones too; empty: to all that are in the LAN. Exit::not_attached, or
// Exit::unsupported where there is none to open it to. One that is open gets the new deadline and the routers
// of now.
Result<PortalAnswer> open_portal(const Site &site, std::chrono::seconds time,
                                 const std::vector<Address> &named);
// Of UNTIL_NS alone, or whichever is open. False: none was.
Result<bool> close_portal(const Site &site, std::optional<std::uint64_t> until_ns = {});

// What became of a portal, seen without the Lock and without a look at the network.
enum class PortalFate { open, closed, another, detached };
Result<PortalFate> portal_fate(const Site &site, std::uint64_t until_ns);

// To whom a portal would be opened. Pure.
struct PortalPlan {
    std::vector<Router> routers;
    std::vector<std::string> notices;
};
Result<PortalPlan> plan_portal(const Document &document, const Topology &topology,
                               const std::vector<Address> &named);

// Of DOCUMENT, while it is open.
std::optional<OpenPortal> portal_of(const Document &document, const Topology &topology);
// DOCUMENT's portal is over: it can be taken out.
bool portal_over(const Document &document, std::uint64_t now_ns);
// Takes the routers out that are none any more, and the portal with the last of them: what comes back was not
// asked for. True if one went.
bool prune_portal(Document &document, const Topology &topology);

} // namespace lk
