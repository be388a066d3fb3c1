// SPDX-License-Identifier: MIT
#include "control/portal.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/boot_clock.h"
#include "control/held.h"
#include "control/leftovers.h"
#include "control/reconcile.h"
#include "control/scopes.h"
#include "image/build_portal.h"

namespace lk {

namespace {

constexpr const char *nothing_to_open = ", so there is nothing that a portal would open";

std::string shown(const Router &router, const Topology &topology) {
    return fmt::format("{} ({})", router.address.str(), device_name(topology, router.ifindex));
}

// Why no portal is opened to a router that nobody or that somebody named; empty: it is.
std::string objection(const PortalChoice &choice, bool is_named, const Topology &topology) {
    const std::string router = shown(choice.router, topology);
    if (choice.carved && choice.carved->tunnel.empty())
        return fmt::format("{} has the address of a resolver: what is meant for that one, inside the tunnel, "
                           "would leave in the clear",
                           router);
    if (choice.carved)
        return fmt::format("{} has an address that belongs to the tunnel {} ({})", router,
                           choice.carved->tunnel, choice.carved->prefix.str());
    if (choice.lan || is_named) return {};
    return fmt::format("{} has no address of a LAN, and whoever announced it may have chosen any host: if it "
                       "is the router of this network, name it: leakbpf portal DURATION --router {}",
                       router, choice.router.address.str());
}

Error no_router(const Document &document, const Topology &topology) {
    std::vector<int> uplinks;
    for (const Guarded &guarded : plan_scopes(document, topology).guarded)
        uplinks.push_back(guarded.ifindex);
    return unsupported(fmt::format("no default route by a router leads over a guarded uplink ({}), so there "
                                   "is no router to open a portal to: connect to the network first",
                                   listed(device_names(topology, uplinks))));
}

// What is to be said of a change that failed: it may be in force all the same.
std::string in_force_now(const State &state, std::uint64_t until_ns) {
    const Result<Document> now = state.document();
    if (!now) return "; whether a portal is open now is not known: leakbpf status shows it";
    if (!now->portal || portal_over(*now, boot_clock_ns())) return "; no portal is open";
    return fmt::format("; {} all the same: leakbpf portal --close closes it",
                       now->portal->until_ns == until_ns ? "the portal is open" : "a portal is open");
}

Result<void> put_into_force(Held &held, std::uint64_t until_ns) {
    const Result<Built> done = reconcile(held.state, held.document, held.topology);
    if (!done) return Error{done.error().exit, done.error().message + in_force_now(held.state, until_ns)};
    held.state.nudge_follower();
    return {};
}

} // namespace

Result<PortalPlan> plan_portal(const Document &document, const Topology &topology,
                               const std::vector<Address> &named) {
    const std::vector<PortalChoice> choices = portal_choices(document, topology);
    if (choices.empty()) return no_router(document, topology);
    const auto is_named = [&](const PortalChoice &choice) {
        return std::ranges::find(named, choice.router.address) != named.end();
    };
    for (const Address &address : named) {
        const auto has = [&](const PortalChoice &choice) { return choice.router.address == address; };
        if (std::ranges::any_of(choices, has)) continue;
        std::vector<std::string> there;
        for (const PortalChoice &choice : choices)
            there.push_back(shown(choice.router, topology));
        return unsupported(fmt::format(
            "--router {}: no default route over a guarded uplink has this next hop; there are: {}",
            address.str(), fmt::join(there, ", ")));
    }
    PortalPlan plan;
    for (const PortalChoice &choice : choices) {
        if (!named.empty() && !is_named(choice)) continue;
        const std::string why = objection(choice, is_named(choice), topology);
        if (why.empty())
            plan.routers.push_back(choice.router);
        else if (named.empty())
            plan.notices.push_back("no portal to this router: " + why);
        else
            return unsupported(fmt::format("--router {}: {}", choice.router.address.str(), why));
    }
    if (plan.routers.empty())
        return unsupported("there is no router to open a portal to: " +
                           objection(choices.front(), false, topology));
    return plan;
}

bool portal_over(const Document &document, std::uint64_t now_ns) {
    return document.portal && document.portal->until_ns <= now_ns;
}

bool prune_portal(Document &document, const Topology &topology) {
    if (!document.portal) return false;
    std::vector<Router> still = portal_routers(document, topology);
    if (still == document.portal->routers) return false;
    if (still.empty())
        document.portal.reset();
    else
        document.portal->routers = std::move(still);
    return true;
}

std::optional<OpenPortal> portal_of(const Document &document, const Topology &topology) {
    if (!document.portal) return std::nullopt;
    OpenPortal open;
    const std::uint64_t until = document.portal->until_ns;
    open.seconds_left = seconds_left(until, boot_clock_ns());
    open.deadline_unix_s = unix_time_of(until);
    if (open.seconds_left == 0) return std::nullopt; // whether it was taken out or not
    for (const Router &router : portal_routers(document, topology))
        open.routers.emplace_back(device_name(topology, router.ifindex), router.address.str());
    return open;
}

Result<PortalAnswer> open_portal(const Site &site, std::chrono::seconds time,
                                 const std::vector<Address> &named) {
    Result<Held> held = hold(site, nothing_to_open);
    if (!held) return held.error();
    Result<PortalPlan> plan = plan_portal(held->document, held->topology, named);
    if (!plan) return plan.error();
    const std::uint64_t until = boot_clock_ns() + static_cast<std::uint64_t>(time.count()) * ns_per_second;
    held->document.portal = Portal{until, std::move(plan->routers)};
    if (Result<void> done = put_into_force(*held, until); !done) return done.error();
    return PortalAnswer{portal_of(held->document, held->topology).value_or(OpenPortal{}), until,
                        std::move(plan->notices)};
}

Result<bool> close_portal(const Site &site, std::optional<std::uint64_t> until_ns) {
    Result<Held> held = hold(site, nothing_to_open);
    if (!held) return held.error();
    std::optional<Portal> &portal = held->document.portal;
    if (!portal || (until_ns && portal->until_ns != *until_ns)) return false;
    const bool open = !portal_over(held->document, boot_clock_ns());
    const std::uint64_t until = portal->until_ns;
    portal.reset();
    if (Result<void> done = put_into_force(*held, until); !done) return done.error();
    return open;
}

Result<PortalFate> portal_fate(const Site &site, std::uint64_t until_ns) {
    const Result<std::optional<State>> found = State::find(site.place);
    if (!found) return found.error();
    if (!*found) {
        if (any_state(site.place)) return failure(unusable_state);
        return PortalFate::detached;
    }
    const Result<Document> document = (*found)->document();
    if (!document) return document.error();
    if (!document->portal) return PortalFate::closed;
    return document->portal->until_ns == until_ns ? PortalFate::open : PortalFate::another;
}

} // namespace lk
