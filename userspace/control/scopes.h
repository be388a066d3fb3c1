// SPDX-License-Identifier: MIT
// Which scope a device is in, and how attach and detach change the scopes. Pure: values in, values out.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/topology.h"
#include "policy/policy.h"

namespace lk {

// What all scopes together say about the class of devices.
ClassOverrides overrides_of(const Document &document);

// A document over a topology, with the classes that the document gives to the devices.
class ScopeView {
  public:
    ScopeView(const Document &document, const Topology &topology);

    // Lowest devices of a named one; empty: the device is not there.
    std::set<int> lowest_of(const std::string &name) const;
    // The scope whose names lead to this lowest device.
    std::optional<std::size_t> naming_scope(int ifindex) const;
    // The scope that takes in uplinks that nobody named.
    std::optional<std::size_t> taking_scope() const;
    // Either of them, if the device is guarded at all.
    std::optional<std::size_t> scope_of(int ifindex) const;
    // Uplinks on which a filter can sit (a stacked device is not one), guarded or not.
    std::vector<int> all_uplinks() const;
    const std::vector<DeviceClass> &classes() const { return classes_; }

  private:
    const Document &document_;
    const Topology &topology_;
    std::vector<DeviceClass> classes_;
    std::vector<std::set<int>> named_; // lowest devices of each scope
};

// Takes NAMES, and every name that leads to a device of LOWEST, out of SCOPE; devices that such a name
// carried beyond LOWEST stay in under their own names. True if something went.
bool release(Scope &scope, const ScopeView &view, const Topology &topology,
             const std::set<std::string> &names, const std::set<int> &lowest);

// Scopes that name no uplink any more vanish.
void drop_empty(Document &document);

// The name of a device, or "device N" if it is gone.
std::string device_name(const Topology &topology, int ifindex);
std::vector<std::string> device_names(const Topology &topology, const std::vector<int> &ifindexes);

// "eth0, eth1"; "none" when empty.
std::string listed(const std::vector<std::string> &names);

} // namespace lk
