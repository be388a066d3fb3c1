// SPDX-License-Identifier: MIT
#include "control/reconcile.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "control/scopes.h"
#include "image/build_scopes.h"
#include "image/build_ways.h"

namespace lk {

bool same_image(const MapImage &left, const MapImage &right) {
    const auto same_device = [](const DeviceRow &a, const DeviceRow &b) {
        return a.name == b.name && a.gateway_set == b.gateway_set && a.net_set == b.net_set &&
               std::memcmp(&a.record, &b.record, sizeof a.record) == 0;
    };
    return left.host_gateway_set == right.host_gateway_set && left.host_net_set == right.host_net_set &&
           std::memcmp(&left.host, &right.host, sizeof left.host) == 0 &&
           std::ranges::equal(left.devices, right.devices, same_device) && left.net_sets == right.net_sets &&
           left.gateway_sets == right.gateway_sets;
}

// Of HOOKS, which are sorted.
static std::span<const UplinkHook> hooks_on(const std::vector<UplinkHook> &hooks, int ifindex) {
    const auto first = std::ranges::lower_bound(hooks, ifindex, {}, &UplinkHook::ifindex);
    const auto last = std::ranges::upper_bound(hooks, ifindex, {}, &UplinkHook::ifindex);
    return std::span(hooks).subspan(static_cast<std::size_t>(first - hooks.begin()),
                                    static_cast<std::size_t>(last - first));
}

bool alive_on(const std::vector<UplinkHook> &hooks, int ifindex) {
    const auto on_it = hooks_on(hooks, ifindex);
    return std::any_of(on_it.begin(), on_it.end(), [](const UplinkHook &hook) { return hook.ours_alive; });
}

namespace {

bool has(const auto &list, const auto &what) {
    return std::ranges::find(list, what) != list.end();
}

} // namespace

void drop_hooks(std::vector<UplinkHook> &hooks, const std::vector<int> &let_go) {
    std::erase_if(hooks, [&let_go](const UplinkHook &hook) {
        return std::ranges::find(let_go, hook.ifindex) != let_go.end();
    });
}

Document hold_guarded(Document document, const Topology &topology, const std::vector<UplinkHook> &hooks) {
    const std::size_t holder = host_scope(document);
    if (holder == no_scope) return document;
    const ScopePlan plan = plan_scopes(document, topology);
    const auto let_go = [&document](const Device &device) {
        return std::ranges::any_of(document.scopes, [&](const Scope &scope) {
            return has(scope.unguarded, device.ifindex) || has(scope.policy.tunnels, device.name) ||
                   has(scope.policy.insides, device.name);
        });
    };
    for (const UplinkHook &hook : hooks) {
        const Device *device = topology.find(hook.ifindex);
        if (!hook.ours_alive || !device) continue;
        if (std::ranges::binary_search(plan.guarded, hook.ifindex, {}, &Guarded::ifindex)) continue;
        if (let_go(*device)) continue;
        auto &names = document.scopes[holder].uplinks;
        if (std::ranges::find(names, device->name) == names.end()) names.push_back(device->name);
    }
    return document;
}

namespace {

// Nothing is left to be done on the device.
bool settled(const std::vector<UplinkHook> &hooks, int ifindex, HookKind kind) {
    const auto on_it = hooks_on(hooks, ifindex);
    if (on_it.size() != 1 || !on_it.front().ours_alive || on_it.front().unfinished) return false;
    const Attachment attachment = on_it.front().attachment;
    return kind == HookKind::automatic ||
           attachment == (kind == HookKind::clsact ? Attachment::clsact : Attachment::tcx);
}

void note_failed(HookAnswer &answer, int ifindex, const char *name, const Error &error) {
    answer.failed.push_back(fmt::format("{}: {}", name, error.message));
    answer.bare.push_back(ifindex);
    answer.exit = error.exit;
}

} // namespace

std::vector<int> serving(const MapImage &image) {
    std::vector<int> result;
    for (const DeviceRow &device : image.devices)
        if (device.record.policy.flags & LK_POLICY_SERVE)
            result.push_back(static_cast<int>(device.record.ifindex));
    return result;
}

HookAnswer attach_serves(State &state, const Document &document, const Topology &topology,
                         const std::vector<int> &uplinks) {
    HookAnswer answer;
    if (std::ranges::all_of(document.scopes,
                            [](const Scope &scope) { return scope.policy.services.empty(); }))
        return answer;
    const ScopeView view(document, topology);
    for (const int ifindex : uplinks) {
        const auto scope = view.scope_of(ifindex);
        if (!scope || document.scopes[*scope].policy.services.empty() || state.serve_alive(ifindex)) continue;
        char name[IF_NAMESIZE];
        if (const Result<void> done = state.attach_serve(ifindex);
            !done && if_indextoname(static_cast<unsigned>(ifindex), name)) {
            note_failed(answer, ifindex, name, done.error());
        }
    }
    return answer;
}

HookAnswer attach_hooks(State &state, const Document &document, const Topology &topology,
                        const std::vector<int> &uplinks, const std::vector<UplinkHook> &there) {
    HookAnswer answer;
    if (uplinks.empty()) return answer;
    const ScopeView view(document, topology);
    for (const int ifindex : uplinks) {
        const auto scope = view.scope_of(ifindex);
        const HookKind kind = scope ? document.scopes[*scope].policy.hook : HookKind::automatic;
        if (settled(there, ifindex, kind)) continue;
        const Result<std::optional<std::string>> done = state.attach_uplink(ifindex, kind);
        char name[IF_NAMESIZE];
        if (done) {
            if (*done) answer.notices.push_back(**done);
        } else if (if_indextoname(static_cast<unsigned>(ifindex), name)) { // else: gone meanwhile
            note_failed(answer, ifindex, name, done.error());
        }
    }
    return answer;
}

void attach_tunnels(State &state, const Document &document, const Topology &topology, Built &built) {
    const ScopePlan plan = plan_scopes(document, topology);
    const auto is_tunnel = [&](int ifindex) {
        const Device *device = topology.find(ifindex);
        return device && plan.classes[static_cast<std::size_t>(device - topology.devices.data())] ==
                             DeviceClass::tunnel;
    };
    // A tunnel that is not needed any more keeps its hooks for the answers that are still on their way, while
    // there is room for all.
    const std::vector<int> there = state.tunnels();
    auto rested = std::ranges::count_if(
        there, [&](int ifindex) { return is_tunnel(ifindex) && !has(built.tunnels, ifindex); });
    for (const int ifindex : there) {
        if (is_tunnel(ifindex) && !has(built.uplinks, ifindex)) {
            const bool needed = has(built.tunnels, ifindex);
            if (needed || built.tunnels.size() + static_cast<std::size_t>(rested) <= LK_TUNNELS) continue;
            --rested;
        }
        if (const Result<void> done = state.detach_tunnel(ifindex); !done)
            built.notices.push_back(fmt::format("the hooks of the tunnel {} were not taken off: {}", ifindex,
                                                done.error().message));
    }
    for (const int ifindex : built.tunnels) {
        const Device *device = topology.find(ifindex);
        if (!device) continue;
        const Result<void> done = state.attach_tunnel(ifindex, device->ethernet());
        if (done) continue;
        drop_ways(built.image,
                  ifindex); // queries are refused at once rather than sent where no answer counts
        char name[IF_NAMESIZE];
        if (if_indextoname(static_cast<unsigned>(ifindex), name)) // else: gone meanwhile
            built.notices.push_back(
                fmt::format("names are not resolved through {}, and queries that take it by themselves go "
                            "where they are sent: {}",
                            name, done.error().message));
    }
}

std::map<int, lk_spare> spared_devices(const Document &document, const Topology &topology,
                                       const std::vector<UplinkHook> &hooks) {
    const ScopePlan plan = plan_scopes(document, topology);
    std::vector<int> bare;
    for (const Guarded &guarded : plan.guarded)
        if (!alive_on(hooks, guarded.ifindex)) bare.push_back(guarded.ifindex);
    const auto is_bare = [&bare](int ifindex) { return std::ranges::find(bare, ifindex) != bare.end(); };
    const auto let_go = [&document](const Device &device) { // its hook was taken off
        return std::ranges::any_of(document.scopes,
                                   [&](const Scope &scope) { return has(scope.unguarded, device.ifindex); });
    };
    std::map<int, lk_spare> spared;
    for (std::size_t i = 0; i < topology.devices.size(); ++i) {
        const Device &device = topology.devices[i];
        const bool leads_out = plan.classes[i] == DeviceClass::uplink && !bare.empty();
        if (is_bare(device.ifindex) ||
            (leads_out && std::ranges::any_of(lowest(topology, plan.classes, device.ifindex), is_bare)))
            continue;
        // A route by a router that is new, and not seen here yet, may make an uplink of it.
        const bool may_lead_out = plan.classes[i] == DeviceClass::inside && device.next_hops.empty() &&
                                  !alive_on(hooks, device.ifindex) && !let_go(device);
        spared[device.ifindex] = may_lead_out ? LK_SPARE_NEAR : LK_SPARE_ALL;
    }
    return spared;
}

Result<void> keep_gate(State &state, const Document &document, const Topology &topology,
                       const std::vector<UplinkHook> &hooks) {
    if (taking_scope(document) == no_scope)
        return state.detach_gate(); // also of links that are no whole gate
    const Result<GateKind> kind = state.attach_gate(spared_devices(document, topology, hooks));
    if (!kind) return kind.error();
    return {};
}

Result<void> remove_stray_hooks(State &state, const Built &built, const Topology &topology) {
    const std::vector<int> serves = serving(built.image);
    for (const int ifindex : state.serves())
        if (!has(serves, ifindex))
            if (Result<void> done = state.detach_serve(ifindex); !done) return done.error();
    const Result<std::vector<UplinkHook>> hooks = state.uplink_hooks(Chains::skip);
    if (!hooks) return hooks.error();
    for (const UplinkHook &hook : *hooks) {
        if (std::ranges::find(built.uplinks, hook.ifindex) != built.uplinks.end()) continue;
        // A living hook whose device is not here was moved to another network namespace: it keeps denying
        // there, and is in place when the device comes back.
        if (hook.ours_alive && !topology.find(hook.ifindex)) continue;
        if (Result<void> done = state.detach_uplink(hook.ifindex); !done) return done.error();
    }
    return {};
}

Result<Reconciled> reconcile_most(State &state, const Document &wanted, const Topology &topology,
                                  const std::vector<int> &let_go) {
    Result<std::vector<UplinkHook>> before = state.uplink_hooks(Chains::skip);
    if (!before) return before.error();
    drop_hooks(*before, let_go);
    const Document document = hold_guarded(wanted, topology, *before);
    Built built = build_image(document, topology);
    attach_tunnels(state, document, topology, built);
    const HookAnswer hooks = attach_hooks(state, document, topology, built.uplinks, *before);
    const HookAnswer serves =
        attach_serves(state, document, topology, built.uplinks); // what guards comes first
    built.notices.insert(built.notices.end(), hooks.notices.begin(), hooks.notices.end());
    if (const Result<std::uint32_t> epoch = state.commit(built.image, document); !epoch) return epoch.error();
    Reconciled done{std::move(built), hooks.bare, serves.bare, {}};
    const Result<void> tidied = remove_stray_hooks(state, done.built, topology);
    if (!hooks.failed.empty())
        done.failed = Error{hooks.exit,
                            fmt::format("no hook could be put on {}", fmt::join(hooks.failed, "; and on "))};
    else if (!tidied)
        done.failed = tidied.error();
    else if (!serves.failed.empty())
        done.failed = Error{
            serves.exit, fmt::format("nobody new is answered on {}", fmt::join(serves.failed, "; and on "))};
    return done;
}

Result<Built> reconcile(State &state, const Document &wanted, const Topology &topology,
                        const std::vector<int> &let_go) {
    Result<Reconciled> done = reconcile_most(state, wanted, topology, let_go);
    if (!done) return done.error();
    if (done->failed) return *done->failed;
    return std::move(done->built);
}

} // namespace lk
