// SPDX-License-Identifier: MIT
// The only thing that opens traffic. Taking everything off must work when all else is broken, so it reads no
// document and no topology.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "control/control.h"
#include "control/detach.h"
#include "control/held.h"
#include "control/leftovers.h"
#include "control/portal.h"
#include "control/reconcile.h"
#include "control/scopes.h"
#include "net/netns.h"

namespace lk {

namespace {

Error nothing_attached() {
    return Error{Exit::not_attached, "nothing is attached in this network namespace"};
}

Result<void> end_follower(const Site &site) {
    Result<std::optional<State>> state = State::find(site.place);
    if (!state || !*state) return {}; // what cannot be read has no follower that could be told
    return (*state)->end_follower();
}

// Also from whoever holds it for longer than anything takes.
Result<Lock> take_from_anybody(const Place &place) {
    Result<Lock> lock = Lock::take(place, lock_limit);
    if (lock || lock.error().exit != Exit::busy) return lock;
    Lock::end_holders(place);
    return Lock::take(place, lock_limit);
}

// EVERYTHING, as with --all: nobody holds it up, whatever became of him.
Result<void> detach_all(const Site &site, bool everything) {
    if (!everything && !any_state(site.place)) return nothing_attached();
    // Without a bpffs there is nothing to lock and nothing pinned, but filters and links may live.
    if (!check_bpffs(site.place.bpffs)) return State::remove_all(site.place);
    // The follower may wait for the lock, so it goes first; one that an attach started since is met below.
    if (Result<void> done = end_follower(site); !done && !everything) return done.error();
    const Result<Lock> lock = everything ? take_from_anybody(site.place) : Lock::take(site.place, lock_limit);
    if (!lock && !everything) return lock.error();
    if (Result<void> done = end_follower(site); !done && !everything) return done.error();
    return State::remove_all(site.place); // which ends a follower too, and says what is left
}

// True: nothing would be left, and nothing was changed.
Result<bool> detach_some(const Site &site, const std::vector<std::string> &names) {
    Result<Held> held = hold(site);
    if (!held) return held.error();
    const Result<Document> wanted = plan_detach(names, held->document, held->topology);
    if (!wanted) return wanted.error();
    if (wanted->scopes.empty()) return true;
    if (Result<Built> done = reconcile(held->state, *wanted, held->topology); !done) return done.error();
    held->state.nudge_follower();
    return false;
}

// False: NAME is guarded by no scope of DOCUMENT. VIEW: of the document as it was.
bool set_free(Document &document, const ScopeView &view, const std::string &name, const Topology &topology) {
    std::set<int> devices;
    for (const int device : view.lowest_of(name))
        if (view.scope_of(device)) devices.insert(device);
    bool known = false;
    for (Scope &scope : document.scopes)
        known = release(scope, view, topology, {name}, devices) || known;
    // Or the scope that takes new uplinks in would take it right back.
    for (Scope &scope : document.scopes) {
        for (const int device : devices)
            if (std::ranges::find(scope.unguarded, device) == scope.unguarded.end())
                scope.unguarded.push_back(device);
        std::ranges::sort(scope.unguarded);
    }
    return known || !devices.empty();
}

} // namespace

Result<Document> plan_detach(const std::vector<std::string> &names, const Document &current,
                             const Topology &topology) {
    Document wanted = current;
    Document before; // to which a trial goes back: what is detached now must not come back with it
    if (current.trial) before.scopes = current.trial->before;
    const Document before_now = before;
    const ScopeView view(current, topology), view_before(before_now, topology);
    for (const std::string &name : names) {
        if (!set_free(wanted, view, name, topology)) {
            std::vector<std::string> guarded = device_names(topology, build_image(current, topology).uplinks);
            return bad_input(fmt::format("{} is not guarded; guarded are: {}", quote(name), listed(guarded)));
        }
        set_free(before, view_before, name, topology);
    }
    drop_empty(wanted, scope_of_all(current));
    drop_empty(before, scope_of_all(before_now));
    if (wanted.trial) wanted.trial->before = std::move(before.scopes);
    prune_portal(wanted, topology);
    return wanted;
}

Result<void> detach(const Site &site, const DetachRequest &request) {
    if (request.all || request.interfaces.empty()) return detach_all(site, request.all);
    const Result<bool> last = detach_some(site, request.interfaces);
    if (!last) return last.error();
    return *last ? detach_all(site, false) : Result<void>();
}

} // namespace lk
