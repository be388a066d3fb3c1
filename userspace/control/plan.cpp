// SPDX-License-Identifier: MIT
// What attach would do, as a function of what is asked, what is in force and what devices there are.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "control/plan.h"
#include "control/scopes.h"

namespace lk {

namespace {

std::string candidates(const Topology &topology, const std::vector<DeviceClass> &classes) {
    std::vector<std::string> names;
    for (std::size_t index = 0; index < topology.devices.size(); ++index)
        if (classes[index] == DeviceClass::uplink) names.push_back(topology.devices[index].name);
    return names.empty() ? "this network namespace has no uplink" : "uplinks here are: " + listed(names);
}

bool link_local(const Address &address) {
    const auto &bytes = address.bytes();
    if (address.is_v4()) return bytes[12] == 169 && bytes[13] == 254;
    return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

// Hardware that nobody uses now: no default route, no address but link-local ones.
bool idle(const Device &device) {
    return device.kind.empty() && !device.default_route &&
           std::ranges::all_of(device.addresses,
                               [](const DeviceAddress &own) { return link_local(own.address); });
}

Result<void> check_uplink(const std::string &name, const Topology &topology,
                          const std::vector<DeviceClass> &classes, const Policy &policy) {
    const Device *device = topology.find(name);
    const auto wrong = [&](const std::string &why) {
        return bad_input(fmt::format("{} {}; {}", quote(name), why, candidates(topology, classes)));
    };
    if (!device) return wrong("is no device of this network namespace");
    const auto place = static_cast<std::size_t>(device - topology.devices.data());
    if (classes[place] == DeviceClass::loopback) return wrong("is the loopback device, which leads nowhere");
    if (classes[place] == DeviceClass::tunnel)
        return wrong(std::ranges::find(policy.tunnels, name) != policy.tunnels.end()
                         ? "is named with --tunnel too: a device is either guarded or a tunnel"
                         : fmt::format("is a tunnel (kind {}): what leaves on it is encrypted already, guard "
                                       "the device under it",
                                       quote(device->kind)));
    if (std::ranges::find(policy.insides, name) != policy.insides.end())
        return wrong("is named with --inside too: a device is either guarded or inside");
    return {};
}

Result<std::vector<std::string>> with_default_route(const Topology &topology,
                                                    const std::vector<DeviceClass> &classes) {
    std::vector<std::string> names;
    for (std::size_t index = 0; index < topology.devices.size(); ++index) {
        const Device &device = topology.devices[index];
        if (!device.default_route || classes[index] == DeviceClass::loopback ||
            classes[index] == DeviceClass::tunnel)
            continue;
        names.push_back(device.name);
    }
    if (names.empty())
        return bad_input("no device holds a default route, so none was chosen: name the uplink to guard; " +
                         candidates(topology, classes));
    return names;
}

// Every uplink that something can be guarded of.
std::vector<std::string> all_uplinks(const Topology &topology, const std::vector<DeviceClass> &classes) {
    std::vector<std::string> names;
    for (std::size_t index = 0; index < topology.devices.size(); ++index) {
        const Device &device = topology.devices[index];
        if (classes[index] == DeviceClass::uplink && !lowest(topology, classes, device.ifindex).empty())
            names.push_back(device.name);
    }
    return names;
}

// The uplinks that attach leaves as they are. Where none was named, a device that nobody uses yet is left to
// the scope that takes new ones in: a cable that is plugged in later must not be a way out.
std::vector<int> left_alone(const Document &document, const Topology &topology, bool spare_idle) {
    const ScopeView view(document, topology);
    std::set<int> devices(view.plan().unguarded.begin(), view.plan().unguarded.end());
    for (const Guarded &guarded : view.plan().guarded)
        if (!view.named(guarded.ifindex)) devices.insert(guarded.ifindex);
    if (spare_idle) std::erase_if(devices, [&](int ifindex) { return idle(*topology.find(ifindex)); });
    return {devices.begin(), devices.end()};
}

} // namespace

Result<std::vector<int>> carriers(const std::string &name, const Topology &topology,
                                  const std::vector<DeviceClass> &by_kind,
                                  const std::vector<DeviceClass> &classes, const Policy &overruled) {
    if (Result<void> good = check_uplink(name, topology, by_kind, overruled); !good) return good.error();
    std::vector<int> carried = lowest(topology, classes, topology.find(name)->ifindex);
    if (carried.empty())
        return bad_input(fmt::format("{} is carried by no device that can be guarded (a tunnel, the "
                                     "loopback or another network namespace carries it); {}",
                                     quote(name), candidates(topology, by_kind)));
    return carried;
}

Result<Plan> plan_attach(const AttachRequest &request, const Document &current, const Topology &topology) {
    if (request.whole) return plan_whole(request, current, topology);
    if (Result<void> valid = validate(request.policy); !valid) return valid.error();
    std::vector<std::string> names = request.interfaces;
    const auto classes =
        classify(topology, {request.policy.tunnels, request.policy.insides, request.interfaces});
    const auto by_kind = classify(topology, {request.policy.tunnels, request.policy.insides, {}});
    for (const std::string &name : names)
        if (Result<void> good = check_uplink(name, topology, by_kind, request.policy); !good)
            return good.error();
    if (request.all_uplinks && (!names.empty() || request.only))
        return bad_input(
            fmt::format("--all-uplinks and {}: every uplink is guarded, also those that come later",
                        names.empty() ? "--only" : quote(names.front())));
    if (request.all_uplinks) {
        names = all_uplinks(topology, by_kind);
    } else if (names.empty()) {
        Result<std::vector<std::string>> found = with_default_route(topology, by_kind);
        if (!found && request.also.empty()) return found.error();
        if (found) names = *std::move(found);
    }
    for (const std::string &name : request.also)
        if (check_uplink(name, topology, by_kind, request.policy)) names.push_back(name);
    Scope scope{{}, !request.only, {}, request.policy};
    for (const std::string &name : names)
        if (std::ranges::find(scope.uplinks, name) == scope.uplinks.end()) scope.uplinks.push_back(name);

    std::set<int> devices;
    for (const std::string &name : scope.uplinks) {
        const auto carried = carriers(name, topology, by_kind, classes, request.policy);
        if (!carried) return carried.error();
        devices.insert(carried->begin(), carried->end());
    }

    Plan plan;
    plan.document = current;
    plan.document.portal.reset(); // it was opened under another policy
    const ScopeView before(current, topology);
    const std::size_t taking = taking_scope(current);
    std::vector<int> taken; // guarded today, named by nobody
    for (const Guarded &guarded : before.plan().guarded)
        if (!before.named(guarded.ifindex) && !devices.contains(guarded.ifindex))
            taken.push_back(guarded.ifindex);
    for (Scope &older : plan.document.scopes) {
        release(older, before, topology, {scope.uplinks.begin(), scope.uplinks.end()}, devices);
        std::erase_if(older.unguarded, [&devices](int ifindex) { return devices.contains(ifindex); });
    }
    // An uplink that came later goes with the scope that took it in: when that is replaced whole, to the new
    // one. A scope that takes all keeps those that it has, and goes on taking them if the new one does not.
    const std::size_t all = scope_of_all(current);
    const bool goes_on = all != no_scope && request.only;
    if (goes_on) taken.clear();
    if (taking != no_scope &&
        (!plan.document.scopes[taking].uplinks.empty() || request.only || all != no_scope)) {
        for (const int ifindex : taken)
            plan.document.scopes[taking].uplinks.push_back(device_name(topology, ifindex));
        taken.clear();
    }
    drop_empty(plan.document, goes_on ? all : no_scope);
    plan.document.scopes.push_back(scope);
    if (request.all_uplinks) { // a scope that names nobody takes all
        plan.document.scopes.back().uplinks = request.also;
        plan.built = build_image(plan.document, topology);
        return plan;
    }
    std::vector<int> alone = left_alone(plan.document, topology, request.interfaces.empty() && !request.only);
    if (goes_on) alone.clear();
    std::erase_if(alone, [&taken](int ifindex) { return std::ranges::find(taken, ifindex) != taken.end(); });
    plan.document.scopes.back().unguarded = std::move(alone);
    plan.built = build_image(plan.document, topology);
    return plan;
}

} // namespace lk
