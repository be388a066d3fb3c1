// SPDX-License-Identifier: MIT
#include "control/held.h"

#include <fmt/format.h>

#include "control/leftovers.h"
#include "control/reconcile.h"

namespace lk {

Result<Held> hold(const Site &site, std::string_view consequence) {
    if (!any_state(site.place))
        return Error{Exit::not_attached,
                     fmt::format("nothing is attached in this network namespace{}", consequence)};
    Result<Lock> lock = Lock::take(site.place, lock_limit);
    if (!lock) return lock.error();
    Result<std::optional<State>> found = State::find(site.place);
    if (!found) return found.error();
    if (!*found || (*found)->epoch() == 0)
        return Error{Exit::not_attached,
                     any_state(site.place)
                         ? std::string(unusable_state)
                         : fmt::format("nothing is attached in this network namespace{}", consequence)};
    Result<Document> document = (*found)->document();
    if (!document) return document.error();
    Result<Topology> topology = read_topology();
    if (!topology) return topology.error();
    const Result<std::vector<UplinkHook>> hooks = (*found)->uplink_hooks(Chains::skip);
    if (!hooks) return hooks.error();
    Document held = hold_guarded(*std::move(document), *topology, *hooks);
    return Held{*std::move(lock), *std::move(*found), std::move(held), *std::move(topology)};
}

} // namespace lk
